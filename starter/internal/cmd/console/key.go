package console

import (
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/internal/proof"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
)

// newKey makes the command console key.
func newKey(f *cli.Factory) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make the key with which the console signs commands",
		Long: `Make the key with which the console signs commands. The private key is written
to a file that only you can read, for console.signing_key; a file that exists is
left alone. The public key is printed, for commands.keys of every worker.`,
		Example: f.Examples("console key --out console.key"),
		Args:    cli.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			private, public, err := proof.NewKey()
			if err != nil {
				return err
			}
			if err := writeNew(out, private); err != nil {
				return err
			}
			f.Print("The private key is in " + out + ". The workers need the public one:\n\n" +
				"commands:\n  keys:\n    console: " + public)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "console.key", "the `file` for the private key")
	return cmd
}

// writeNew writes a file that must not exist.
func writeNew(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return cli.Usage("%s exists: a console may be using it; name another file with --out", path)
	}
	if err != nil {
		return err
	}
	if _, err := file.Write(text); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}
