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

// readAPI reads what a program sends, a command or a start: JSON of a form, and the size in bytes at most. It fails with
// what to send instead.
func readAPI(w http.ResponseWriter, r *http.Request, most int64, into any, form string) error {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, most))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err != nil || kind != "application/json" {
		return errors.Join(err, errors.New("send "+form+" as application/json"))
	}
	return nil
}

// refuseInput answers that an input cannot be used.
func (c *Console) refuseInput(w http.ResponseWriter, r *http.Request, who access, what, id string, err error) {
	c.logRefused(r, who, what, "", id, err.Error())
	answerAPI(w, http.StatusBadRequest, apiAnswer{Error: err.Error()})
}

// serveStart signs the start of a close for a program, which starts it.
func (c *Console) serveStart(w http.ResponseWriter, r *http.Request, who access) {
	var in workflows.NightlyCloseInput
	if err := readAPI(w, r, maxStart, &in, `the input of a close`); err != nil {
		c.refuseInput(w, r, who, refusedStart, "", err)
		return
	}
	in.StartedBy, in.Delegated = who.Name, false
	id, err := in.WorkflowID(), in.Validate()
	switch {
	case !who.may(config.Operator, in.Connection):
		c.logRefused(r, who, refusedStart, "", id, "the role does not allow it")
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
		c.refuseInput(w, r, who, refusedStart, id, err)
		return
	}
	c.Log.Info("signed a start", "workflow", id, "by", who.Name, "from", r.RemoteAddr)
	answerAPI(w, http.StatusOK, login.SignedStart{By: in.StartedBy, Proof: in.Proof})
}

// serveAPI takes a command of a program, with the rights of a form. A program has confirmed what it sends.
func (c *Console) serveAPI(w http.ResponseWriter, r *http.Request, who access) {
	var in apiCommand
	form := `{"workflow_id": "...", "command": "...", "input": {...}}`
	if err := readAPI(w, r, maxForm, &in, form); err != nil {
		c.refuseInput(w, r, who, refusedCommand, "", err)
		return
	}
	o, no := c.admit(r, who, in.WorkflowID, func(e entry) order {
		in.Input.By, in.Input.Proof = who.Name, ""
		return order{entry: e, Value: in.Command, Name: in.Command, Command: in.Input, Step: in.Input.Step}
	})
	if no != nil && no.code == http.StatusBadRequest {
		c.logRefused(r, who, refusedCommand, o.Value, o.ID, no.why)
	}
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
