package notify

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/pbsmflow/pbsmflow/internal/notify"
)

func TestNotDelivered(t *testing.T) {
	for _, test := range []struct {
		err  notify.Error
		want string
	}{
		{notify.Error{Text: "closed"}, "box a@b.example: closed; it is not known whether the message was delivered: check the channel"},
		{notify.Error{NotDelivered: true, Text: "no such mailbox"}, "box a@b.example: no such mailbox; check the url and the addresses in the configuration"},
		{notify.Error{NotDelivered: true, Temporary: true, Text: "greylisted"}, "box a@b.example: greylisted"},
	} {
		assert.Equal(t, test.want, notDelivered("box a@b.example", &test.err))
	}
}
