package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/encryption"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/starter/internal/certificate"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

func newDoctorCommand(a *app) *cobra.Command {
	var connection, saveCert string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything that a night needs, and say what to do",
		Long: `Check everything that a night needs, each line ok or what to do: the configuration, the
servers' certificates, the login, a harmless call, Temporal, and the stores. All of it is
tried from this machine with the configuration here; run it where the worker runs. The
channels of notifications are named; starter notify test CHANNEL sends through one.

--save-cert fetches the certificates of the service's host and saves them as PEM, whether
they are trusted or not. Compare the fingerprint with one that you got another way before
you name the file in ca_file.

The exit code is 0 when all is well, 2 for faults in the configuration, 5 when nothing but
Temporal is amiss and it cannot be reached, else 1.`,
		Example: `  starter doctor
  starter doctor --connection prod --save-cert outcert.pem`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &doctor{app: a, saveCert: saveCert}
			d.examine(cmd.Context(), connection)
			if err := cmd.Context().Err(); err != nil {
				return err // what was not tried any more did not fail
			}
			return d.verdict()
		},
	}
	cmd.Flags().StringVarP(&connection, "connection", "c", "", "the `connection` to check (default all of them)")
	cmd.Flags().StringVar(&saveCert, "save-cert", "", "save the certificates of the service's host in this `file`, as PEM")
	return cmd
}

// finding is one thing that was checked.
type finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	// Do is what a person can do about it.
	Do string `json:"do,omitempty"`

	code int // exit code when it is not ok
}

type doctor struct {
	*app
	saveCert string
	findings []finding
}

func (d *doctor) ok(check, format string, args ...any) {
	d.add(finding{Check: check, OK: true, Detail: fmt.Sprintf(format, args...)})
}

func (d *doctor) bad(code int, check, do string, err error) {
	d.add(finding{Check: check, Detail: err.Error(), Do: do, code: code})
}

// refused is what Temporal did not tell, or that it is away by now.
func (d *doctor) refused(check, do string, err error) {
	code := exitFailed
	if temporalclient.Unavailable(err) {
		code, do = exitUnreachable, temporalclient.WhatToCheck
	}
	d.bad(code, check, do, err)
}

// add shows a finding as soon as it is there.
func (d *doctor) add(f finding) {
	f.Do = d.complete(f.Do)
	d.findings = append(d.findings, f)
	if d.json() {
		return
	}
	d.print(d.findingLines(f)...)
}

func (d *doctor) findingLines(f finding) []string {
	word := "ok"
	if !f.OK {
		word = "FAIL"
	}
	var lines []string
	add := func(first, rest, text string) {
		for _, line := range view.Wrap(text, d.width()-len(rest)) {
			lines = append(lines, first+line)
			first = rest
		}
	}
	detail, more, _ := strings.Cut(f.Detail, "\n")
	add(fmt.Sprintf("%-6s", word), "      ", f.Check+": "+detail)
	for line := range strings.Lines(more) {
		add("        ", "        ", strings.TrimSuffix(line, "\n"))
	}
	if f.Do != "" {
		add("      > ", "        ", f.Do)
	}
	return lines
}

// verdict is the exit code that says most.
func (d *doctor) verdict() error {
	code, failed := exitDone, 0
	for _, f := range d.findings {
		if f.OK {
			continue
		}
		failed++
		switch {
		case code == exitDone || f.code == exitUsage:
			code = f.code
		case f.code != code && code != exitUsage:
			code = exitFailed
		}
	}
	document := map[string]any{"ok": failed == 0, "checks": d.findings}
	if failed > 0 {
		return &problem{code: code, message: fmt.Sprintf("%d of %d checks failed", failed, len(d.findings)), document: document}
	}
	if d.json() {
		d.printJSON(document)
	}
	return nil
}

func (d *doctor) examine(ctx context.Context, connection string) {
	cfg, err := config.Load(d.config, os.Environ())
	if err != nil {
		d.bad(exitUsage, "configuration", "Correct what is named; the rest of this configuration is not checked.", err)
	} else {
		d.ok("configuration", "connections %s; stores %s", names(cfg.Connections), names(cfg.Stores))
		d.encryption(cfg.Encryption.Keyring())
		d.connections(ctx, cfg, connection)
		d.stores(ctx, cfg)
		d.notifications(cfg)
	}
	d.temporal(ctx)
}

// encryption says nothing where there is none: it is optional.
func (d *doctor) encryption(keys *encryption.Keyring) {
	switch {
	case keys.Current() != "":
		d.ok("encryption", "what Temporal keeps is sealed with key %s; keys that open: %s", keys.Current(), strings.Join(keys.IDs(), ", "))
	case len(keys.IDs()) > 0:
		d.ok("encryption", "nothing is sealed; keys that open what was: %s", strings.Join(keys.IDs(), ", "))
	}
}

func names[T any](from map[string]T) string {
	if len(from) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(from)), ", ")
}

func (d *doctor) connections(ctx context.Context, cfg *config.Config, only string) {
	chosen := slices.Sorted(maps.Keys(cfg.Connections))
	if only != "" {
		name, _, err := pickConnection(cfg, only)
		if err != nil {
			d.bad(exitUsage, "connection "+only, "Check the name.", err)
			return
		}
		chosen = []string{name}
	}
	if d.saveCert != "" && len(chosen) != 1 {
		d.bad(exitUsage, "--save-cert", "Name the connection: --connection "+strings.Join(chosen, "|"), errors.New("it is not clear whose certificates are meant"))
	}
	for _, name := range chosen {
		d.connection(ctx, name, cfg.Connections[name], len(chosen) == 1)
	}
}

func (d *doctor) connection(ctx context.Context, name string, conn config.Connection, single bool) {
	trusted := d.certificates(ctx, name, "base_url", conn.BaseURL, conn, single)
	if host(conn.TokenURL) != host(conn.BaseURL) {
		trusted = d.certificates(ctx, name, "token_url", conn.TokenURL, conn, false) && trusted
	}
	if !trusted {
		return
	}
	service, err := pbsm.New(conn.Client())
	if err != nil {
		d.bad(exitUsage, name+" settings", "Correct the connection in the configuration.", err)
		return
	}
	login, err := service.Login(ctx)
	if err != nil {
		d.bad(exitFailed, name+" login", "Check client_id, client_secret, username and password, and that the user may use the client.", err)
		return
	}
	text := "as " + conn.Username
	if !login.ExpiresAt.IsZero() {
		text += ", token good until " + login.ExpiresAt.Local().Format("15:04:05")
	}
	if login.Refreshable {
		text += ", can be refreshed"
	}
	d.ok(name+" login", "%s", text)
	files, err := service.ListFiles(ctx, "")
	if err != nil {
		d.bad(exitFailed, name+" call", "Check tenant_id, service_id, workspace_id, remote_user and the user's roles.", err)
		return
	}
	d.ok(name+" call", "the service lists %s", view.Plural(len(files), "file"))
}

func host(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

// certificates looks at the chain that a server shows, and saves it when asked.
func (d *doctor) certificates(ctx context.Context, name, key, raw string, conn config.Connection, save bool) bool {
	check := fmt.Sprintf("%s TLS %s", name, host(raw))
	chain, err := certificate.Fetch(ctx, raw)
	if err != nil {
		d.bad(exitFailed, check, fmt.Sprintf("Check %s, DNS, proxy (HTTPS_PROXY) and firewall.", key), err)
		return false
	}
	if save && d.saveCert != "" {
		d.save(check, chain)
	}
	verified := chain.Verify(conn.CAFile, time.Now())
	switch {
	case verified == nil:
		d.ok(check, "%s", strings.Join(chain.Facts(time.Now()), "\n"))
		return true
	case conn.Insecure:
		d.ok(check, "NOT VERIFIED, because the connection says insecure: true (%v)\n%s", verified, strings.Join(chain.Facts(time.Now()), "\n"))
		return true
	}
	do := fmt.Sprintf("If this is the right server: starter doctor --connection %s --save-cert outcert.pem, compare the fingerprint, then set ca_file: outcert.pem.", name)
	d.bad(exitFailed, check, do, fmt.Errorf("%w\n%s", verified, strings.Join(chain.Facts(time.Now()), "\n")))
	return false
}

func (d *doctor) save(check string, chain certificate.Chain) {
	if err := os.WriteFile(d.saveCert, chain.PEM(), 0o644); err != nil {
		d.bad(exitFailed, check+" certificates", "Choose a file that can be written.", err)
		return
	}
	d.ok(check+" certificates", "saved in %s; compare before you trust them:\n%s", d.saveCert, strings.Join(chain.Fingerprints(), "\n"))
}

func (d *doctor) stores(ctx context.Context, cfg *config.Config) {
	for _, name := range slices.Sorted(maps.Keys(cfg.Stores)) {
		check := "store " + name
		opened, err := stores.Open(ctx, map[string]stores.Settings{name: cfg.StoreSettings()[name]})
		if err == nil {
			err = opened.Check(ctx, name)
		}
		if err != nil {
			d.bad(exitFailed, check, "Check the URL and the credentials, and that the folder or bucket exists and may be read here.", err)
			continue
		}
		if strings.HasPrefix(cfg.Stores[name].URL, "s3:") { // it is told of a file only once that is whole
			d.ok(check, "readable; whether it is writable shows when a file is saved")
		} else if err := writable(ctx, opened, name); err != nil {
			d.ok(check, "readable; not writable, which is right only where nothing is saved (%v)", err)
		} else {
			d.ok(check, "readable and writable")
		}
		_ = opened.Close()
	}
}

// notifications names the channels. Nothing is sent: that would wake somebody.
func (d *doctor) notifications(cfg *config.Config) {
	if len(cfg.Notifications) == 0 {
		d.ok("notifications", "no channels: nobody is told when a night waits or fails")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Notifications)) {
		c := cfg.Notifications[name]
		of := "every connection"
		if len(c.Connections) > 0 {
			of = strings.Join(c.Connections, ", ")
		}
		d.ok("channel "+name, "%s, told of %s on %s; to try it: starter notify test %s", c.Kind, strings.Join(c.On, ", "), of, name)
	}
	if cfg.Worker.TemporalUI == "" {
		d.ok("links", "none in notifications: neither worker.temporal_ui nor TEMPORAL_UI is set")
	}
}

// writable begins a file and gives it up: nothing stays behind.
func writable(ctx context.Context, s *stores.Stores, name string) error {
	w, err := s.Create(ctx, fmt.Sprintf("%s/pbsmflow-doctor-%d", name, time.Now().UnixNano()))
	if err != nil {
		return err
	}
	_, err = w.Write([]byte("doctor"))
	return errors.Join(err, w.Abort())
}

func (d *doctor) temporal(ctx context.Context) {
	s, err := d.connect(ctx)
	switch {
	case errors.Is(err, temporalclient.ErrUnreachable):
		d.bad(exitUnreachable, "Temporal", temporalclient.WhatToCheck, err)
		return
	case err != nil:
		d.bad(exitUsage, "Temporal", "Correct what is named.", err)
		return
	}
	defer s.close()
	d.ok("Temporal", "%s answers", s.address)
	ctx, cancel := context.WithTimeout(ctx, 3*askTimeout)
	defer cancel()
	described, err := s.client.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: s.namespace})
	if err != nil {
		d.refused("namespace "+s.namespace, "Set TEMPORAL_NAMESPACE to one that exists, or create it: temporal operator namespace create -n "+s.namespace, err)
		return
	}
	d.ok("namespace "+s.namespace, "keeps what has ended for %s", days(described.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration()))
	missing, err := s.missingSearchAttributes(ctx)
	switch {
	case err != nil:
		d.refused("search attributes", "Ask who runs Temporal.", err)
	case len(missing) > 0:
		d.bad(exitFailed, "search attributes", "Register them: starter search-attributes create", fmt.Errorf("missing: %s", strings.Join(missing, ", ")))
	default:
		d.ok("search attributes", "%s", strings.Join(workflows.SearchAttributes(), ", "))
	}
	d.workers(ctx, s)
}

// workers asks them, where there is something to ask: who polled a moment ago can be dead.
func (d *doctor) workers(ctx context.Context, s *session) {
	last, err := s.polls(ctx, s.taskQueue)
	switch {
	case err != nil:
		d.refused("workers", "Ask who runs Temporal.", err)
		return
	case last.idle():
		d.bad(exitFailed, "workers", startWorker, errors.New(last.text()))
		return
	}
	switch job, err := s.answers(ctx, s.taskQueue); {
	case job == "":
		d.ok("workers", "%s; one that died since then is noticed %s after its last poll", last.text(), pollLasts)
	case err != nil:
		d.bad(exitFailed, "workers", startWorker, fmt.Errorf("none answers, asked how %s stands (%w); %s", job, err, last.text()))
	default:
		d.ok("workers", "one answers; %s", last.text())
	}
}

func days(d time.Duration) string {
	if d >= 24*time.Hour {
		return view.Plural(int(d/(24*time.Hour)), "day")
	}
	return d.String()
}
