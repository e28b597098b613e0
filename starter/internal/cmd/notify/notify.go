// Package notify has starter notify.
package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/internal/notify"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	return cli.Group(&cobra.Command{
		Use:     "notify",
		Short:   "Test the channels of notifications",
		Example: "  starter notify test night-shift",
	}, &cobra.Command{
		Use:   "test CHANNEL",
		Short: "Send a test message through a channel of the configuration",
		Long: `Send a test message through a channel of the configuration, from this machine
and once: run it where the worker runs. Temporal is not needed.

Exit codes:
  0  the message was delivered
  1  it was not delivered, or not to every address of a mail, or the delivery is
     unknown
  2  bad usage, or problems in the configuration`,
		Example: "  starter notify test night-shift",
		Args:    cli.OneArg("channel"),
		RunE:    func(cmd *cobra.Command, args []string) error { return test(cmd.Context(), f, args[0]) },
	})
}

func test(ctx context.Context, f *cli.Factory, name string) error {
	cfg, err := f.LoadConfig()
	if err != nil {
		return err
	}
	channels, err := notify.Open(cfg.NotifyChannels())
	if err != nil {
		return cli.Usage("%v", err)
	}
	if _, ok := cfg.Notifications[name]; !ok {
		return cli.Usage("there is no channel %q in notifications; the configuration has %s", name, cli.Names(cfg.Notifications))
	}
	now := time.Now()
	err = channels.Send(ctx, name, notify.Message{
		ID:      fmt.Sprintf("test-%d", now.UnixNano()),
		Event:   "test",
		At:      now,
		Subject: "pbsmflow",
		Link:    cfg.Worker.TemporalUI,
		What:    fmt.Sprintf("A test message to the channel %s, sent by %s. Nothing has happened.", name, cli.Operator()),
	})
	if err != nil {
		return notDelivered(name, err)
	}
	return f.Show(map[string]any{"channel": name, "sent": true}, name+" accepted the message")
}

func notDelivered(name string, err error) error {
	p := cli.Failed("channel %s: %v", name, err)
	var failed *notify.Error
	switch {
	case errors.As(err, &failed) && failed.Partial:
		p.Next = []string{"Check the channel's addresses in the configuration."}
	case errors.As(err, &failed) && !failed.NotDelivered:
		p.Message += "; it is not known whether the message was delivered: check the channel"
	case errors.As(err, &failed) && !failed.Temporary:
		p.Next = []string{"Check the channel's url in the configuration."}
	}
	return p
}
