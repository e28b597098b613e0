package notify

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/pbsmflow/pbsmflow/internal/notify"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
)

func TestNotDelivered(t *testing.T) {
	for name, test := range map[string]struct {
		err  notify.Error
		want string
		not  string
	}{
		"partly":  {notify.Error{Partial: true, Text: "some addresses did not get the message: a@b.example: no such mailbox"}, "a@b.example", "it is not known"},
		"unknown": {notify.Error{Text: "closed without a response"}, "it is not known", "Check"},
		"refused": {notify.Error{NotDelivered: true, Text: "the receiver answered 404"}, "404", "it is not known"},
	} {
		p := cli.AsProblem(notDelivered("night", &test.err))
		assert.Equal(t, cli.ExitFailed, p.Code, name)
		assert.Contains(t, p.Message, test.want, name)
		assert.NotContains(t, p.Message, test.not, name)
	}
}
