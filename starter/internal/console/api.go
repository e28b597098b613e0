package console

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"

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

// apiAnswer is what came of it.
type apiAnswer struct {
	Message string `json:"message,omitempty"`
	Error   string `json:"error,omitempty"`
}

// serveMe says who is logged in, to a program.
func (c *Console) serveMe(w http.ResponseWriter, _ *http.Request, who access) {
	answerAPI(w, http.StatusOK, login.Person{Name: who.Name, Role: who.role()})
}

// serveAPI takes a command of a program, with the rights of a form. A program has confirmed what it sends.
func (c *Console) serveAPI(w http.ResponseWriter, r *http.Request, who access) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm))
	decoder.DisallowUnknownFields()
	var in apiCommand
	err := decoder.Decode(&in)
	if err != nil || kind != "application/json" {
		err = errors.Join(err, errors.New(`send {"workflow_id": "...", "command": "...", "input": {...}} as application/json`))
		answerAPI(w, http.StatusBadRequest, apiAnswer{Error: err.Error()})
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
