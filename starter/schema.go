package main

import (
	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/deploy/schema"
)

func newSchemaCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schemas of our files, for editors",
		Long: `Print the JSON Schema of pbsm.yaml or of pipelines. An editor with a YAML language
server completes and checks a file whose first line says where its schema is:

  # yaml-language-server: $schema=pipeline.schema.json`,
		Example: `  starter schema config
  starter schema pipeline`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, one := range []struct {
		use, of string
		text    []byte
	}{{"config", "pbsm.yaml", schema.Configuration}, {"pipeline", "a pipeline's definition", schema.Pipeline}} {
		cmd.AddCommand(&cobra.Command{
			Use:     one.use,
			Short:   "Print the JSON Schema of " + one.of,
			Example: "  starter schema " + one.use,
			Args:    noArgs,
			RunE: func(*cobra.Command, []string) error {
				_, err := a.stdout.Write(one.text)
				return err
			},
		})
	}
	return cmd
}
