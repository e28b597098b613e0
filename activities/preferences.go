package activities

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// AsOfDateInput is the as-of date of a user's preferences. Source: 26B, chapter 6.
type AsOfDateInput struct {
	Connection string `json:"connection"`
	App        string `json:"app"`
	// User is the connection's remote_user when empty.
	User string `json:"user,omitempty"`
	// Date is yyyy-mm-dd.
	Date string `json:"date"`
	Application
}

// SetAsOfDate sets the date. Repeating it does no harm.
func (a *Activities) SetAsOfDate(ctx context.Context, in AsOfDateInput) error {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return err
	}
	return classifyCall(ctx, conn.serviceFor(in.Application).SetAsOfDate(ctx, in.preference(), in.Date))
}

// CheckAsOfDate reads the date back. Another one is Refused: nothing else proves that it was set, and somebody else may
// have set it since.
func (a *Activities) CheckAsOfDate(ctx context.Context, in AsOfDateInput) error {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return err
	}
	got, err := conn.serviceFor(in.Application).AsOfDate(ctx, in.preference())
	if err != nil {
		return classifyCall(ctx, err)
	}
	if got != in.Date {
		message := fmt.Sprintf("the as-of date for %s was set to %s, but the service says %s: "+
			"it kept the old one, or somebody else has set it since; check the user's preferences, then retry", in.App, in.Date, got)
		return temporal.NewNonRetryableApplicationError(message, Refused, nil, Refusal{Call: "as-of date", Text: got})
	}
	return nil
}

func (in AsOfDateInput) preference() pbsm.Preference {
	return pbsm.Preference{UserID: in.User, App: in.App}
}
