package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

func newAuditCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "audit",
		Short:   "Check the audit file of a close",
		Example: `  starter audit verify reports/2026-10-31/audit.jsonl`,
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAuditVerifyCommand(a))
	return cmd
}

// auditDocument is what --output json prints.
type auditDocument struct {
	File  string `json:"file"`
	Valid bool   `json:"valid"`
	audit.Report
	Line int64  `json:"line,omitempty"` // the first that does not fit
	Why  string `json:"why,omitempty"`
}

func newAuditVerifyCommand(a *app) *cobra.Command {
	var want string
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Tell whether an audit file is as it was written",
		Long: `Tell whether an audit file is as it was written: every line carries the SHA-256 of the
one before it, and the last one that of the whole. Nothing is contacted.

Whoever can write the file can make a new chain. Compare the final hash with the one in
the result of the close, or give that one as --sha256.

Exit codes:
  0  sound, and with --sha256 the file that is meant
  1  a line does not fit, and the first one is named; or the final hash is another, be it
     that a later close of the same night was written behind the one that is meant
  2  bad usage, or the file cannot be read`,
		Example: `  starter audit verify reports/2026-10-31/audit.jsonl --sha256 5f70bf18...`,
		Args:    oneArg("file"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.verifyAudit(args[0], want) },
	}
	cmd.Flags().StringVar(&want, "sha256", "", "the final `hash` that the file must have")
	return cmd
}

// otherHash says of a sound file what it is, if not the one whose final hash is wanted.
func otherHash(found audit.Report, want string) string {
	for i, end := range found.Seals {
		if strings.EqualFold(end.SHA256, want) {
			return fmt.Sprintf("its lines fit, but %s is the hash of close %d of the %d in it: up to line %d it is the file that is meant; what follows was written by a later close, whose final hash %s is to be compared, too",
				want, i+1, found.Closes, end.Lines+1, found.SHA256)
		}
	}
	return fmt.Sprintf("its lines fit, but its final hash is %s, not %s: it is another file than the one that is meant", found.SHA256, want)
}

func (a *app) verifyAudit(path, want string) error {
	file, err := os.Open(path)
	if err != nil {
		return usage("the audit file: %v", err)
	}
	defer file.Close()
	found, err := audit.Verify(file)
	var broken *audit.Broken
	switch {
	case errors.As(err, &broken):
		return &problem{
			code: exitFailed, message: fmt.Sprintf("%s: %v", path, broken),
			document: auditDocument{File: path, Line: broken.Line, Why: broken.Why},
		}
	case err != nil:
		return usage("the audit file: %v", err)
	case want != "" && !strings.EqualFold(want, found.SHA256):
		why := otherHash(found, want)
		return &problem{
			code: exitFailed, message: path + ": " + why,
			document: auditDocument{File: path, Report: found, Why: why},
		}
	}
	if a.json() {
		a.printJSON(auditDocument{File: path, Valid: true, Report: found})
		return nil
	}
	a.print(fmt.Sprintf("%s: sound, %d lines, %s, final hash %s", path, found.Lines, view.Plural(found.Closes, "close"), found.SHA256))
	return nil
}
