// Package console has starter console.
package console

import (
	"context"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/schedule"
	"github.com/pbsmflow/pbsmflow/starter/internal/console"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	var listen string
	var published bool
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Serve the operators' page, with a button for each answer",
		Long: `Serve the operators' page: the closes of tonight, what waits for somebody with a
button for each answer, each close with its steps, and the nights before.

Without a login it listens on the loopback only, and everybody who reaches it is
the user that runs it. For a team set console.login (oidc, or proxy) and
console.roles in the configuration. With console.signing_key it signs each
command, so that the workers know who sent it.`,
		Example: f.Examples("console", "console --listen 127.0.0.1:9000"),
		Args:    cli.NoArgs,
		RunE: client.RunE(f, func(ctx context.Context, s *client.Session, _ []string) error {
			return run(ctx, s, listen, published)
		}),
	}
	cmd.AddCommand(newKey(f))
	cmd.Flags().StringVar(&listen, "listen", "",
		"the `address` to listen on (default: console.listen of the configuration)")
	cmd.Flags().BoolVar(&published, "published-on-loopback", false,
		"in a container: listen on every address, since the host publishes the port on its loopback only")
	cmd.AddCommand(cli.NewHealthcheck(f, "console", "console", "http://127.0.0.1:8484/healthz"))
	return cmd
}

func run(ctx context.Context, s *client.Session, listen string, published bool) error {
	settings, err := config.LoadConsole(s.Config, os.Environ())
	if err != nil {
		return cli.Usage("%v", err)
	}
	if listen != "" {
		settings.Listen = listen
		if err := settings.CheckListen(); err != nil && !published {
			return cli.Usage("--listen: %v", err)
		}
	}
	known, err := config.LoadPlanning(s.Config, os.Environ())
	if err != nil {
		return cli.Usage("%v", err)
	}
	o := console.Options{
		Settings: settings,
		Schedules: func(ctx context.Context) ([]view.Schedule, error) {
			return schedule.List(ctx, s, known.Calendars)
		},
		OpenStore: func(ctx context.Context, name string) (*stores.Stores, error) {
			settings, err := config.LoadStores(s.Config, os.Environ())
			if err != nil {
				return nil, err
			}
			return stores.Open(ctx, map[string]stores.Settings{name: settings[name]})
		},
		Log: slog.New(slog.NewTextHandler(s.Stderr, nil)),
	}
	if o.Login, err = login(ctx, &o.Settings, o.Log); err != nil {
		return cli.Usage("%v", err)
	}
	if settings.SigningKey != "" {
		if o.Sign, err = console.NewSigner(settings.SigningKey); err != nil {
			return cli.Usage("console.signing_key: %v", err)
		}
	}
	return console.New(s, o).Serve(ctx, func() {
		address := map[string]string{"url": settings.Address()}
		_ = s.Show(address, "The console is at "+settings.Address()+" (Ctrl-C ends it)")
	})
}

// login makes the login of the settings, which get the roles of the login none where they have none.
func login(ctx context.Context, settings *config.Console, log *slog.Logger) (console.Login, error) {
	switch settings.Login.Kind {
	case config.OIDCLogin:
		return console.OIDC(ctx, *settings, log)
	case config.ProxyLogin:
		return console.Proxy(settings.Login.Proxy)
	case config.NoLogin:
		if len(settings.Roles) == 0 {
			settings.Roles = console.SystemRoles()
		}
		return console.SystemUser(cli.Operator()), nil
	}
	return nil, cli.Usage("console.login.kind %q is not built in", settings.Login.Kind)
}
