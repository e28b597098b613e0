package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/starter/internal/login"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// apiCommand is a command of a program: the name of it, its input, and the workflow that it is for. By is whoever the
// request's token names.
type apiCommand struct {
	WorkflowID string            `json:"workflow_id"`
	Command    string            `json:"command"`
	Input      workflows.Command `json:"input"`
}

// maxStart is the size of the input of a close, with its definition, in bytes.
const maxStart = 1 << 20

// apiAnswer is what came of it.
type apiAnswer struct {
	Message string `json:"message,omitempty"`
	Error   string `json:"error,omitempty"`
}

// serveMe says who is logged in, to a program.
func (c *Console) serveMe(w http.ResponseWriter, _ *http.Request, who access) {
	answerAPI(w, http.StatusOK, login.Person{Name: who.Name, Role: who.role()})
}

// readAPI reads what a program sends: JSON of a form. It reports whether it could, and has answered if not.
func readAPI(w http.ResponseWriter, r *http.Request, most int64, into any, form string) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, most))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err != nil || kind != "application/json" {
		err = errors.Join(err, errors.New("send "+form+" as application/json"))
		answerAPI(w, http.StatusBadRequest, apiAnswer{Error: err.Error()})
		return false
	}
	return true
}

// serveStart signs the start of a close for a program, which starts it.
func (c *Console) serveStart(w http.ResponseWriter, r *http.Request, who access) {
	var in workflows.NightlyCloseInput
	if !readAPI(w, r, maxStart, &in, `the input of a close`) {
		return
	}
	in.StartedBy, in.Delegated = who.Name, false
	id, err := in.WorkflowID(), in.Validate()
	line := []any{"workflow", id, "by", who.Name, "from", r.RemoteAddr}
	switch {
	case !who.may(config.Operator, in.Connection):
		c.Log.Warn("refused a start", append(line, "why", "the role does not allow it")...)
		c.metrics.refused.WithLabelValues(refusedRole).Inc()
		why := fmt.Sprintf("the roles of %s do not allow to start %s", who.Name, id)
		answerAPI(w, http.StatusForbidden, apiAnswer{Error: why})
		return
	case err == nil && id == "":
		err = errors.New("pipeline is missing")
	case err == nil:
		err = c.Sign.start(who.Person, &in)
	}
	if err != nil {
		answerAPI(w, http.StatusBadRequest, apiAnswer{Error: err.Error()})
		return
	}
	c.Log.Info("signed a start", line...)
	answerAPI(w, http.StatusOK, login.SignedStart{By: in.StartedBy, Proof: in.Proof})
}

// serveAPI takes a command of a program, with the rights of a form. A program has confirmed what it sends.
func (c *Console) serveAPI(w http.ResponseWriter, r *http.Request, who access) {
	var in apiCommand
	if !readAPI(w, r, maxForm, &in, `{"workflow_id": "...", "command": "...", "input": {...}}`) {
		return
	}
	o, no := c.admit(r, who, in.WorkflowID, func(e entry) order {
		in.Input.By, in.Input.Proof = who.Name, ""
		return order{entry: e, Value: in.Command, Name: in.Command, Command: in.Input, Step: in.Input.Step}
	})
	if no != nil {
		answerAPI(w, no.code, apiAnswer{Error: no.why})
		return
	}
	text, err := c.carryOut(r, who, o)
	switch {
	case err == nil && text == notConfirmed:
		answerAPI(w, http.StatusAccepted, apiAnswer{Message: text})
	case err == nil:
		answerAPI(w, http.StatusOK, apiAnswer{Message: text})
	case isRefusal(err):
		answerAPI(w, http.StatusUnprocessableEntity, apiAnswer{Error: err.Error()})
	default:
		answerAPI(w, http.StatusBadGateway, apiAnswer{Error: err.Error()})
	}
}

func answerAPI(w http.ResponseWriter, code int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer)
}
