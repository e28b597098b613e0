// Package schema has starter schema.
package schema

import (
	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/deploy/schema"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	return cli.Group(&cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schemas of our files, for editors",
		Long: `Print the JSON Schema of pbsm.yaml or of pipelines. An editor with a YAML
language server completes and checks a file whose first line names its schema:

  # yaml-language-server: $schema=pipeline.schema.json`,
		Example: f.Examples(
			"schema config",
			"schema pipeline",
		),
	}, newSchema(f, "config", "pbsm.yaml", schema.Configuration),
		newSchema(f, "pipeline", "a pipeline's definition", schema.Pipeline))
}

func newSchema(f *cli.Factory, name, of string, text []byte) *cobra.Command {
	return &cobra.Command{
		Use:     name,
		Short:   "Print the JSON Schema of " + of,
		Example: f.Examples("schema " + name),
		Args:    cli.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := f.Stdout.Write(text)
			return err
		},
	}
}
