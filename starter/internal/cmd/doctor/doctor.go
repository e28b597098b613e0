// Package doctor has starter doctor.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/encryption"
	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	var connection, saveCert string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything that a night needs, and say what to do",
		Long: `Check everything that a night needs, each line ok or what to do: the
configuration, the servers' certificates, the login, a harmless call, Temporal,
and the stores. Everything is tried from this machine with the configuration
here; run it where the worker runs. The channels of notifications are named;
notify test CHANNEL sends through one.

--save-cert fetches the certificates of the service's host and saves them as
PEM, whether they are trusted or not. Compare the fingerprint with one that you
got another way before you name the file in ca_file.

The exit code is 0 when all is well, 2 for problems in the configuration, 5 when
Temporal cannot be reached and nothing else is wrong, else 1.`,
		Example: f.Examples(
			"doctor",
			"doctor --connection prod --save-cert outcert.pem",
		),
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &doctor{Factory: f, saveCert: saveCert}
			d.examine(cmd.Context(), connection)
			if err := cmd.Context().Err(); err != nil {
				return err // checks that were not made did not fail
			}
			return d.verdict()
		},
	}
	cmd.Flags().StringVarP(&connection, "connection", "c", "", "the `connection` to check (default all of them)")
	cmd.Flags().StringVar(&saveCert, "save-cert", "", "save the certificates of the service's host in this `file`, as PEM")
	return cmd
}

// finding is the outcome of a check.
type finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	// Do is what to do about it.
	Do string `json:"do,omitempty"`

	code int // exit code when it is not ok
}

type doctor struct {
	*cli.Factory
	saveCert string
	findings []finding
}

func (d *doctor) ok(check, format string, args ...any) {
	d.add(finding{Check: check, OK: true, Detail: fmt.Sprintf(format, args...)})
}

func (d *doctor) bad(code int, check, do string, err error) {
	d.add(finding{Check: check, Detail: err.Error(), Do: do, code: code})
}

// add shows a finding at once.
func (d *doctor) add(f finding) {
	d.findings = append(d.findings, f)
	if !d.JSON() {
		d.Print(f.lines(d.Width())...)
	}
}

func (f finding) lines(width int) []string {
	verdict := "ok"
	if !f.OK {
		verdict = "FAIL"
	}
	detail, more, _ := strings.Cut(f.Detail, "\n")
	lines := view.Hang(fmt.Sprintf("%-6s", verdict), f.Check+": "+detail, width)
	for line := range strings.Lines(more) {
		lines = append(lines, view.Indent("        ", strings.TrimSuffix(line, "\n"), width)...)
	}
	if f.Do != "" {
		lines = append(lines, view.Hang("      > ", f.Do, width)...)
	}
	return lines
}

// verdict chooses the exit code that says most.
func (d *doctor) verdict() error {
	code, failed := cli.ExitDone, 0
	for _, f := range d.findings {
		if f.OK {
			continue
		}
		failed++
		switch {
		case code == cli.ExitDone || f.code == cli.ExitUsage:
			code = f.code
		case f.code != code && code != cli.ExitUsage:
			code = cli.ExitFailed
		}
	}
	document := map[string]any{"ok": failed == 0, "checks": d.findings}
	if failed > 0 {
		return &cli.Problem{
			Code:     code,
			Message:  fmt.Sprintf("%d of %d checks failed", failed, len(d.findings)),
			Document: document,
		}
	}
	if d.JSON() {
		d.PrintJSON(document)
	}
	return nil
}

func (d *doctor) examine(ctx context.Context, connection string) {
	cfg, err := config.Load(d.Config, os.Environ())
	if err != nil {
		d.bad(cli.ExitUsage, "configuration", "Correct what is named; the rest of this configuration is not checked.", err)
	} else {
		d.ok("configuration", "connections %s; stores %s", cli.Names(cfg.Connections), cli.Names(cfg.Stores))
		d.encryption(cfg.Encryption.Keyring())
		d.connections(ctx, cfg, connection)
		d.stores(ctx, cfg)
		d.notifications(cfg)
	}
	d.temporal(ctx)
}

// encryption is optional: without it nothing is shown.
func (d *doctor) encryption(keys *encryption.Keyring) {
	switch {
	case keys.Current() != "":
		d.ok("encryption", "payloads are sealed with key %s; keys that open them: %s", keys.Current(),
			strings.Join(keys.IDs(), ", "))
	case len(keys.IDs()) > 0:
		d.ok("encryption", "nothing is sealed; keys that open older payloads: %s", strings.Join(keys.IDs(), ", "))
	}
}

func (d *doctor) stores(ctx context.Context, cfg *config.Config) {
	for _, name := range slices.Sorted(maps.Keys(cfg.Stores)) {
		check := "store " + name
		opened, err := stores.Open(ctx, map[string]stores.Settings{name: cfg.StoreSettings()[name]})
		if err == nil {
			err = opened.Check(ctx, name)
		}
		if err != nil {
			d.bad(cli.ExitFailed, check, "Check the URL and the credentials, and that the folder or bucket exists and "+
				"may be read here.", err)
			continue
		}
		if strings.HasPrefix(cfg.Stores[name].URL, "s3:") { // a bucket learns of a file only when it is complete
			d.ok(check, "readable; whether it is writable shows when a file is saved")
		} else if err := writable(ctx, opened, name); err != nil {
			d.ok(check, "readable; not writable, which is right only where nothing is saved (%v)", err)
		} else {
			d.ok(check, "readable and writable")
		}
		_ = opened.Close()
	}
}

// writable begins a file and aborts it: nothing stays behind.
func writable(ctx context.Context, s *stores.Stores, name string) error {
	w, err := s.Create(ctx, fmt.Sprintf("%s/pbsmflow-doctor-%d", name, time.Now().UnixNano()))
	if err != nil {
		return err
	}
	_, err = w.Write([]byte("doctor"))
	return errors.Join(err, w.Abort())
}

// notifications lists the channels. Nothing is sent: that would wake the operators.
func (d *doctor) notifications(cfg *config.Config) {
	if len(cfg.Notifications) == 0 {
		d.ok("notifications", "no channels: no notification is sent when a close waits or fails")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Notifications)) {
		c := cfg.Notifications[name]
		of := "every connection"
		if len(c.Connections) > 0 {
			of = strings.Join(c.Connections, ", ")
		}
		d.ok("channel "+name, "%s, receives %s on %s; to test it: %s", c.Kind, strings.Join(c.On, ", "), of,
			d.Starter("notify test "+name))
	}
	if cfg.Console.URL == "" && cfg.Worker.TemporalUI == "" {
		d.ok("links", "none in notifications: neither console.url nor worker.temporal_ui is set, nor TEMPORAL_UI")
	}
}
