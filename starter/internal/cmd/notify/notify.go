// Package notify has starter notify.
package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
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
		Example: f.Examples("notify test night-shift"),
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
		Example: f.Examples("notify test night-shift"),
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
		return cli.Usage("there is no channel %q in notifications; the configuration has %s", name,
			cli.Names(cfg.Notifications))
	}
	now := time.Now()
	message := notify.Message{
		ID:      fmt.Sprintf("test-%d", now.UnixNano()),
		Event:   "test",
		At:      now,
		Subject: "pbsmflow",
		Link:    cmp.Or(cfg.Console.URL, cfg.Worker.TemporalUI),
		What:    fmt.Sprintf("A test message to the channel %s, sent by %s. Nothing has happened.", name, cli.Operator()),
	}
	var problems []string
	channels.Send(ctx, name, message, channels.Receivers(name), func(to string, send func() error) {
		if err := send(); err != nil {
			problems = append(problems, notDelivered(strings.TrimSpace(name+" "+to), err))
		}
	})
	if len(problems) > 0 {
		return cli.Listing(cli.ExitFailed, "the message was not delivered", problems)
	}
	return f.Show(map[string]any{"channel": name, "sent": true}, name+" accepted the message")
}

func notDelivered(receiver string, err error) string {
	text := fmt.Sprintf("%s: %v", receiver, err)
	var failed *notify.Error
	switch {
	case errors.As(err, &failed) && !failed.NotDelivered:
		text += "; it is not known whether the message was delivered: check the channel"
	case errors.As(err, &failed) && !failed.Temporary:
		text += "; check the url and the addresses in the configuration"
	}
	return text
}
