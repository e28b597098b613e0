package console

import (
	"net/http"
	"slices"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Person is who looks at a page or sends a command.
type Person struct {
	Name   string
	Groups []string
}

// Login finds out who sends a request.
type Login interface {
	// Person is who sends the request. ok is false where nobody is logged in. A session may be renewed with a cookie of
	// the answer; w is nil where that has begun already.
	Person(w http.ResponseWriter, r *http.Request) (p Person, ok bool)
	// Routes adds the login's own pages. LoginPath is where somebody is sent who is not logged in; empty where they can
	// only be refused.
	Routes(mux *http.ServeMux, show Show)
	LoginPath() string
}

// Show shows a notice as a page.
type Show func(w http.ResponseWriter, code int, n Notice)

// Notice is a short page with one link, to what comes next.
type Notice struct{ Title, Text, Next, To string }

// access is what a person may do.
type access struct {
	Person

	roles []config.Role
}

// may reports whether the person has a role on a connection. Operators and approvers are viewers, too.
func (a access) may(role, connection string) bool {
	return slices.ContainsFunc(a.roles, func(r config.Role) bool {
		if !slices.Contains(a.Groups, r.Group) || len(r.Connections) > 0 && !slices.Contains(r.Connections, connection) {
			return false
		}
		return r.Role == role || role == config.Viewer
	})
}

func (a access) maySee(e entry) bool { return a.may(config.Viewer, e.Status.Connection) }

// maySend reports whether the person may send a command. A question about an approval is for approvers, also where the
// answer is no.
func (a access) maySend(connection, command string) bool {
	if command == workflows.ApproveCommand {
		return a.may(config.Approver, connection)
	}
	return a.may(config.Operator, connection)
}
