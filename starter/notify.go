package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/internal/notify"
)

func newNotifyCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "notify",
		Short:   "Try the channels through which people are told",
		Example: "  starter notify test night-shift",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "test CHANNEL",
		Short: "Send a test message through a channel of the configuration",
		Long: `Send a test message through a channel of the configuration, from this machine and once:
run it where the worker runs. Temporal is not needed.

Exit codes:
  0  the receiver took the message
  1  it did not, or not for every address of a mail, or it is not known whether it did
  2  bad usage, or faults in the configuration`,
		Example: "  starter notify test night-shift",
		Args:    oneArg("channel"),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.testChannel(cmd.Context(), args[0]) },
	})
	return cmd
}

func (a *app) testChannel(ctx context.Context, name string) error {
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	channels, err := notify.Open(cfg.NotifyChannels())
	if err != nil {
		return usage("%v", err)
	}
	if _, ok := cfg.Notifications[name]; !ok {
		return usage("there is no channel %q in notifications; the configuration knows %s", name, names(cfg.Notifications))
	}
	now := time.Now()
	err = channels.Send(ctx, name, notify.Message{
		ID: fmt.Sprintf("test-%d", now.UnixNano()), Event: "test", At: now, Subject: "pbsmflow", Link: cfg.Worker.TemporalUI,
		What: fmt.Sprintf("A test message to the channel %s, sent by %s. Nothing has happened.", name, person()),
	})
	if err != nil {
		return notTaken(name, err)
	}
	if a.json() {
		a.printJSON(map[string]any{"channel": name, "sent": true})
		return nil
	}
	a.print(fmt.Sprintf("%s took the message", name))
	return nil
}

func notTaken(name string, err error) error {
	p := &problem{code: exitFailed, message: fmt.Sprintf("channel %s: %v", name, err)}
	var failed *notify.Error
	switch {
	case errors.As(err, &failed) && failed.Partial:
		p.next = []string{"Check the channel's addresses in the configuration."}
	case errors.As(err, &failed) && !failed.NotDelivered:
		p.message += "; it is not known whether it took the message: look there"
	case errors.As(err, &failed) && !failed.Temporary:
		p.next = []string{"Check the channel's url in the configuration."}
	}
	return p
}
