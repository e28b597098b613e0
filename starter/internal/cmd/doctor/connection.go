package doctor

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

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

func (d *doctor) connections(ctx context.Context, cfg *config.Config, only string) {
	chosen := slices.Sorted(maps.Keys(cfg.Connections))
	if only != "" {
		name, _, err := cli.PickConnection(cfg, only)
		if err != nil {
			d.bad(cli.ExitUsage, "connection "+only, "Check the name.", err)
			return
		}
		chosen = []string{name}
	}
	if d.saveCert != "" && len(chosen) != 1 {
		do := "Name the connection: --connection " + strings.Join(chosen, "|")
		d.bad(cli.ExitUsage, "--save-cert", do, errors.New("it is not clear whose certificates are meant"))
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
		d.bad(cli.ExitUsage, name+" settings", "Correct the connection in the configuration.", err)
		return
	}
	login, err := service.Login(ctx)
	if err != nil {
		do := "Correct what was refused, and restart the workers. Do not try passwords: that locks the user."
		d.bad(cli.ExitFailed, name+" login", advice(err, "token_url", do), err)
		return
	}
	text := "as " + conn.Username
	if !login.ExpiresAt.IsZero() {
		text += ", token valid until " + clock.UTC.Text(login.ExpiresAt)
	}
	if login.Refreshable {
		text += ", can be refreshed"
	}
	d.ok(name+" login", "%s", text)
	files, err := service.ListFiles(ctx, "")
	if err != nil {
		do := "Check tenant_id, service_id, workspace_id, remote_user and the user's roles."
		d.bad(cli.ExitFailed, name+" call", advice(err, "base_url", do), err)
		return
	}
	d.ok(name+" call", "the service lists %s", view.Plural(len(files), "file"))
}

// advice is what to do about a call that failed. Only a refusal is about the settings that it sends.
func advice(err error, address, refused string) string {
	var failed *pbsm.Error
	switch {
	case !errors.As(err, &failed) || !failed.Temporary:
		return refused
	case failed.HTTPStatus == 0:
		return fmt.Sprintf("Check %s, DNS, proxy (HTTPS_PROXY) and firewall.", address)
	}
	return "The server is unavailable, and refused nothing: wait, and check again. Calls are retried meanwhile."
}

func host(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

// certificates checks the chain that a server presents, and saves it with --save-cert.
func (d *doctor) certificates(ctx context.Context, name, key, raw string, conn config.Connection, save bool) bool {
	check := fmt.Sprintf("%s TLS %s", name, host(raw))
	presented, err := fetchChain(ctx, raw)
	if err != nil {
		d.bad(cli.ExitFailed, check, fmt.Sprintf("Check %s, DNS, proxy (HTTPS_PROXY) and firewall.", key), err)
		return false
	}
	if save && d.saveCert != "" {
		d.save(check, presented)
	}
	now := time.Now()
	verified, facts := presented.verify(conn.CAFile, now), strings.Join(presented.facts(now), "\n")
	switch {
	case verified == nil:
		d.ok(check, "%s", facts)
		return true
	case conn.Insecure:
		d.ok(check, "NOT VERIFIED, because the connection says insecure: true (%v)\n%s", verified, facts)
		return true
	}
	do := fmt.Sprintf("If this is the right server: %s, compare the fingerprint, then set ca_file: outcert.pem.",
		d.Starter("doctor --connection "+name+" --save-cert outcert.pem"))
	d.bad(cli.ExitFailed, check, do, fmt.Errorf("%w\n%s", verified, facts))
	return false
}

func (d *doctor) save(check string, presented chain) {
	if err := os.WriteFile(d.saveCert, presented.toPEM(), 0o644); err != nil {
		d.bad(cli.ExitFailed, check+" certificates", "Choose a file that can be written.", err)
		return
	}
	d.ok(check+" certificates", "saved in %s; compare before you trust them:\n%s", d.saveCert,
		strings.Join(presented.fingerprints(), "\n"))
}
