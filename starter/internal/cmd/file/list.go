package file

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

type listedFile struct {
	ID         string `json:"file_id"`
	Name       string `json:"name"`
	UploadDate string `json:"upload_date"` // the service's text; it has no time zone
	Stripe     string `json:"stripe"`
}

func newList(f *cli.Factory) *cobra.Command {
	var connection, stripe string
	cmd := &cobra.Command{
		Use:   "list --connection C",
		Short: "List the files of the service",
		Long: `List the files of the service. This calls the service directly, with the
configuration here.`,
		Example: f.Examples("file list --connection prod --config pbsm.yaml"),
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := listFiles(cmd.Context(), f, connection, stripe)
			if err != nil {
				return err
			}
			return f.Show(map[string]any{"files": files}, table(files, f.Width())...)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&connection, "connection", "c", "", "the `connection`, as the configuration here names it")
	flags.StringVar(&stripe, "stripe", "default", "the `stripe` to list")
	return cmd
}

func listFiles(ctx context.Context, f *cli.Factory, connection, stripe string) ([]listedFile, error) {
	cfg, err := f.LoadConfig()
	if err != nil {
		return nil, err
	}
	name, conn, err := cli.PickConnection(cfg, connection)
	if err != nil {
		return nil, err
	}
	service, err := pbsm.New(conn.Client())
	if err != nil {
		return nil, cli.Usage("connection %s: %v", name, err)
	}
	listed, err := service.ListFiles(ctx, stripe)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, cli.Failed("connection %s: %v", name, err).
			Then("See what is wrong: " + f.Starter("doctor --connection "+name))
	}
	files := make([]listedFile, 0, len(listed))
	for _, one := range listed {
		files = append(files, listedFile{ID: one.ID, Name: one.Name, UploadDate: one.UploadDate, Stripe: one.StripeName})
	}
	return files, nil
}

func table(files []listedFile, width int) []string {
	if len(files) == 0 {
		return []string{"no files"}
	}
	rows := [][]string{{"ID", "UPLOADED", "STRIPE", "NAME"}}
	for _, one := range files {
		rows = append(rows, []string{one.ID, one.UploadDate, one.Stripe, one.Name})
	}
	return view.Table([]view.Column{{Right: true}, {Optional: true}, {Optional: true}, {}}, rows, width)
}
