// Package login has starter login and starter logout.
package login

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/login"
)

// New makes the command login.
func New(f *cli.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "login",
		Short: "Log in at the console, through which commands are then sent",
		Long: `Log in at the console: open the address that is shown, on any device, and type
the code. Commands are then sent through the console, which signs them, so that
the terminal has the same name and rights as the page.

The console is that of --console, or of console.url where console.for_starter is
set. The login is kept in a file that only you can read; logout removes it.`,
		Example: f.Examples("login --console https://close.bank.example"),
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := client.ConsoleOf(f)
			if err != nil {
				return err
			}
			return run(cmd.Context(), f, c)
		},
	}
}

// NewLogout makes the command logout.
func NewLogout(f *cli.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "End the login at the console",
		Long: `Forget the login at the console, and end it at the provider, so that it cannot
be refreshed any more.`,
		Example: f.Examples("logout --console https://close.bank.example"),
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := client.ConsoleOf(f)
			if err != nil {
				return err
			}
			var remains *login.NotRevoked
			if err := c.Logout(cmd.Context()); errors.As(err, &remains) {
				f.Note("%v", remains)
			} else if err != nil {
				return cli.Failed("%v", err)
			}
			return f.Show(map[string]any{"console": c.URL, "logged_in": false, "revoked": remains == nil}, "logged out of "+c.URL)
		},
	}
}

func run(ctx context.Context, f *cli.Factory, c *login.Console) error {
	who, err := c.Login(ctx, func(address, code string) {
		f.Note("Open %s and confirm the code %s", address, code)
	})
	if err != nil {
		return cli.Failed("%v", err)
	}
	return f.Show(map[string]any{"console": c.URL, "logged_in": true, "name": who.Name, "role": who.Role},
		"logged in at "+c.URL+" as "+who.Name+" ("+who.Role+")")
}
