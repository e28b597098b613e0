// Package audit has starter audit.
package audit

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	return cli.Group(&cobra.Command{
		Use:     "audit",
		Short:   "Check the audit file of a close",
		Example: f.Examples("audit verify reports/2026-10-31/audit.jsonl"),
	}, newVerify(f))
}

func newVerify(f *cli.Factory) *cobra.Command {
	var sha256 string
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check that an audit file is as it was written",
		Long: `Check that an audit file is as it was written: every line has the SHA-256 of the
one before it, and the last one that of the whole. Nothing is contacted.

Whoever can write the file can make a new chain. Compare the final hash with the
one in the result of the close, or pass that one as --sha256.

Exit codes:
  0  intact, and with --sha256 the expected file
  1  a line does not match, and the first one is named; or the final hash is
     another one, perhaps because a later close of the same night was appended
  2  bad usage, or the file cannot be read`,
		Example: f.Examples("audit verify reports/2026-10-31/audit.jsonl --sha256 5f70bf18..."),
		Args:    cli.OneArg("file"),
		RunE:    func(_ *cobra.Command, args []string) error { return verify(f, args[0], sha256) },
	}
	cmd.Flags().StringVar(&sha256, "sha256", "", "the final `hash` that the file must have")
	return cmd
}

// document is what --output json prints.
type document struct {
	File  string `json:"file"`
	Valid bool   `json:"valid"`
	audit.Report
	Line int64  `json:"line,omitempty"` // the first that does not match
	Why  string `json:"why,omitempty"`
}

func verify(f *cli.Factory, path, sha256 string) error {
	file, err := os.Open(path)
	if err != nil {
		return cli.Usage("the audit file: %v", err)
	}
	defer file.Close()
	found, err := audit.Verify(file)
	if broken, ok := errors.AsType[*audit.Broken](err); ok {
		return differs(broken.Error(), document{File: path, Line: broken.Line, Why: broken.Why})
	}
	switch {
	case err != nil:
		return cli.Usage("the audit file: %v", err)
	case sha256 != "" && !strings.EqualFold(sha256, found.SHA256):
		why := otherHash(found, sha256)
		return differs(why, document{File: path, Report: found, Why: why})
	}
	return f.Show(document{File: path, Valid: true, Report: found}, fmt.Sprintf("%s: intact, %d lines, %s, final hash %s",
		path, found.Lines, view.Plural(found.Closes, "close"), found.SHA256))
}

func differs(why string, found document) error {
	p := cli.Failed("%s: %s", found.File, why)
	p.Document = found
	return p
}

// otherHash says of an intact file which one it is, if its final hash is not the wanted one.
func otherHash(found audit.Report, want string) string {
	for i, end := range found.Seals {
		if strings.EqualFold(end.SHA256, want) {
			return fmt.Sprintf("its lines match, but %s is the hash of close %d of the %d in it: up to line %d it is the expected file; a later close appended the rest, whose final hash %s must be compared, too",
				want, i+1, found.Closes, end.Lines+1, found.SHA256)
		}
	}
	return fmt.Sprintf("its lines match, but its final hash is %s, not %s: it is another file than the expected one", found.SHA256, want)
}
