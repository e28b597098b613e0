// Package audit has starter audit.
package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	var o options
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check that an audit file is as it was written",
		Long: `Check that an audit file is as it was written: every line has the SHA-256 of the
one before it, and the last one, the seal, that of the whole.

Whoever can write the file can make a new chain, with another seal. Give the
seal that is kept elsewhere as --seal: it is in the result of the close and in
its memo in Temporal, which the command status shows, and in the notification
of its end.

With --store, the files that were uploaded, downloaded or saved are compared
with the recorded SHA-256. Without it nothing is contacted.

Exit codes:
  0  intact; with --seal the expected file; with --store no file differs
  1  a line does not match, and the first one is named; or the seal is another
     one, perhaps because a later close of the same night was appended; or a
     file differs
  2  bad usage, or the audit file cannot be read`,
		Example: f.Examples(
			"audit verify reports/2026-10-31/audit.jsonl --seal 5f70bf18...",
			"audit verify audit.jsonl --store inbox --store reports=/mnt/reports",
		),
		Args: cli.OneArg("file"),
		RunE: func(cmd *cobra.Command, args []string) error { return verify(cmd.Context(), f, args[0], o) },
	}
	cmd.Flags().StringVar(&o.seal, "seal", "", "the `hash` that the last seal must have")
	cmd.Flags().StringSliceVar(&o.stores, "store", nil,
		"compare the files in this `store`: NAME as the configuration has it, or NAME=FOLDER; may be repeated")
	return cmd
}

type options struct {
	seal   string
	stores []string
}

// document is what --output json prints.
type document struct {
	File  string `json:"file"`
	Valid bool   `json:"valid"`
	audit.Report
	Line int64  `json:"line,omitempty"` // the first that does not match
	Why  string `json:"why,omitempty"`
	// NotProven says what the check cannot show without what is kept elsewhere.
	NotProven []string     `json:"not_proven,omitempty"`
	Files     []comparison `json:"files,omitempty"`
}

func verify(ctx context.Context, f *cli.Factory, path string, o options) error {
	opened, err := openStores(ctx, f, o.stores)
	if err != nil {
		return err
	}
	defer opened.Close()
	found, contents, err := read(path)
	if broken, ok := errors.AsType[*audit.Broken](err); ok {
		return differs(broken.Error(), document{File: path, Line: broken.Line, Why: broken.Why})
	}
	switch {
	case err != nil:
		return cli.Usage("the audit file: %v", err)
	case o.seal != "" && !strings.EqualFold(o.seal, found.SHA256):
		why := otherHash(found, o.seal)
		return differs(why, document{File: path, Report: found, Why: why})
	}
	d := document{
		File:      path,
		Valid:     true,
		Report:    found,
		NotProven: notProven(f, o, contents),
		Files:     compareFiles(ctx, opened, contents.Files),
	}
	lines := fileLines(d.Files)
	for _, fact := range d.NotProven {
		lines = append(lines, "Not proven: "+fact)
	}
	if wrong := count(d.Files, differing); wrong > 0 {
		d.Valid, d.Why = false, fmt.Sprintf("the audit file is intact, but not as recorded: %s", view.Plural(wrong, "file"))
		p := differs(d.Why, d)
		p.Next = lines
		return p
	}
	head := fmt.Sprintf("%s: intact, %d lines, %s, seal %s", path, found.Lines, view.Plural(found.Closes, "close"),
		found.SHA256)
	if o.seal != "" {
		head += ", as expected"
	}
	return f.Show(d, append([]string{head}, lines...)...)
}

func read(path string) (found audit.Report, contents audit.Contents, err error) {
	file, err := os.Open(path)
	if err != nil {
		return found, contents, err
	}
	defer file.Close()
	if found, err = audit.Verify(file); err != nil {
		return found, contents, err
	}
	if _, err = file.Seek(0, io.SeekStart); err != nil {
		return found, contents, err
	}
	contents, err = audit.Read(file)
	return found, contents, err
}

// notProven says in words what an intact file does not prove.
func notProven(f *cli.Factory, o options, contents audit.Contents) []string {
	facts := []string{"that the file says everything. What is in no log of the close, such as an update with no name " +
		"or reason, is not in it; names are those that were given."}
	if o.seal == "" {
		text := "that this is the file that the workers wrote. Whoever can write it can make a new chain, with another " +
			"seal. " +
			"Compare the seal with one that is kept elsewhere: --seal HASH, from the notification"
		for _, id := range contents.Workflows {
			text += ", or from: " + f.Starter("status "+id)
		}
		facts = append([]string{text}, facts...)
	}
	return facts
}

func differs(why string, found document) *cli.Problem {
	p := cli.Failed("%s: %s", found.File, why)
	p.Document = found
	return p
}

// otherHash says of an intact file which one it is, if its seal is not the wanted one.
func otherHash(found audit.Report, want string) string {
	for i, end := range found.Seals {
		if strings.EqualFold(end.SHA256, want) {
			return fmt.Sprintf("its lines match, but %s is the hash of close %d of the %d in it: up to line %d it is the "+
				"expected file; a later close appended the rest, whose seal %s must be compared, too",
				want, i+1, found.Closes, end.Lines+1, found.SHA256)
		}
	}
	return fmt.Sprintf("its lines match, but its seal is %s, not %s: it is another file than the expected one",
		found.SHA256, want)
}
