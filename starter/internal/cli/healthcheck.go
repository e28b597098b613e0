package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
)

const healthTimeout = 5 * time.Second

// NewHealthcheck makes the command healthcheck of a server that the starter is, for containers without a shell. parent
// is its command, what is what it is called.
func NewHealthcheck(f *Factory, parent, what, page string) *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:     "healthcheck",
		Short:   "Exit 0 when the " + what + " on this host answers",
		Example: f.Examples(parent + " healthcheck --url " + page),
		Args:    NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), healthTimeout)
			defer cancel()
			if httpx.CheckHealth(ctx, address) != nil {
				return Failed("%s does not answer", address)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&address, "url", page, "the health page to request")
	return cmd
}
