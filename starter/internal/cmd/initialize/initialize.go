// Package initialize has starter init.
package initialize

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/deploy/schema"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
)

//go:embed files
var files embed.FS

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	var connection string
	cmd := &cobra.Command{
		Use:   "init FOLDER",
		Short: "Lay out a folder with a configuration and a pipeline",
		Long: `Lay out a folder for a tenant: pbsm.yaml and a pipeline with comments, to be
filled in, the schemas for editors, and folders for files, reports and secrets.
Nothing that exists is changed.`,
		Example: f.Examples("init close --connection prod"),
		Args:    cli.OneArg("folder"),
		RunE: func(_ *cobra.Command, args []string) error {
			if !pipeline.IsCode(connection) {
				return cli.Usage("--connection %q is not a name; use lower-case letters, digits, hyphens and underscores", connection)
			}
			return layOut(f, args[0], connection)
		},
	}
	cmd.Flags().StringVarP(&connection, "connection", "c", "prod", "the `name` of the connection in the configuration")
	return cmd
}

// layOut writes everything, or nothing if something of it exists.
func layOut(f *cli.Factory, folder, connection string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return cli.Usage("%v", err)
	}
	texts, err := contents(folder, connection)
	if err != nil {
		return err
	}
	for name := range texts {
		if _, err := os.Lstat(filepath.Join(folder, name)); !errors.Is(err, fs.ErrNotExist) {
			return cli.Usage("%s is there already; nothing was written", filepath.Join(folder, name))
		}
	}
	for name, mode := range map[string]os.FileMode{"": 0o755, "inbox": 0o755, "reports": 0o755, "pipelines": 0o755, "secrets": 0o700} {
		if err := os.MkdirAll(filepath.Join(folder, name), mode); err != nil {
			return cli.Usage("%v", err)
		}
	}
	written := []string{}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return cli.Usage("%v", err)
		}
		written = append(written, filepath.Join(folder, name))
	}
	slices.Sort(written)
	config, example := filepath.Join(folder, "pbsm.yaml"), filepath.Join(folder, "pipelines", "nightly-close.yaml")
	lines := []string{"Written:"}
	for _, file := range written {
		lines = append(lines, "  "+file)
	}
	lines = append(lines, "",
		"1. Fill in "+config+", and put client_secret and password into "+filepath.Join(folder, "secrets")+".",
		"2. "+f.Starter(fmt.Sprintf("doctor --config %s --connection %s", config, connection)),
		"3. Edit "+example+", and check it:",
		"   "+f.Starter("pipeline check "+example+" --as-of DATE"))
	return f.Show(map[string]any{"folder": folder, "files": written}, lines...)
}

// contents are the files by their names in the folder.
func contents(folder, connection string) (map[string][]byte, error) {
	config, err := files.ReadFile("files/pbsm.yaml")
	if err != nil {
		return nil, err
	}
	example, err := files.ReadFile("files/nightly-close.yaml")
	if err != nil {
		return nil, err
	}
	filled := strings.NewReplacer("CONNECTION:", connection+":", "CONNECTIONS__CONNECTION",
		"CONNECTIONS__"+strings.ToUpper(strings.ReplaceAll(connection, "-", "_")), "FOLDER", filepath.ToSlash(folder))
	return map[string][]byte{
		"pbsm.yaml":                    []byte(filled.Replace(string(config))),
		"pipelines/nightly-close.yaml": example,
		"pbsm.schema.json":             schema.Configuration,
		"pipeline.schema.json":         schema.Pipeline,
	}, nil
}
