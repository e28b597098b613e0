// Package clitest runs commands of the starter in tests, without Temporal or with a simulated one.
package clitest

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Outcome is what a command line led to: what was to be started, and what was written.
type Outcome struct {
	Input          workflows.Input
	Options        cli.StartOptions
	Code           int
	Stdout, Stderr string
}

// Terminal is a terminal with a number of columns; 0 is none.
func Terminal(width int, stdout, stderr io.Writer) *cli.Terminal {
	return &cli.Terminal{Stdout: stdout, Stderr: stderr, Size: func() (int, int) { return width, 24 }}
}

// Factory is that of a terminal whose output nobody reads.
func Factory(width int) *cli.Factory {
	return &cli.Factory{Terminal: Terminal(width, io.Discard, io.Discard), TaskQueue: workflows.TaskQueue}
}

// Only makes a root that has one command.
func Only(build func(*cli.Factory) *cobra.Command) func(*cli.Factory) *cobra.Command {
	return func(f *cli.Factory) *cobra.Command {
		root := cli.NewRoot(f, &cobra.Command{Use: "starter"})
		root.AddCommand(build(f))
		return root
	}
}

// Invoke executes a command line up to the point where it would start a workflow.
func Invoke(t *testing.T, root func(*cli.Factory) *cobra.Command, args ...string) Outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	var got Outcome
	f := &cli.Factory{Terminal: Terminal(0, &stdout, &stderr)}
	f.Launch = func(_ context.Context, in workflows.Input, o cli.StartOptions) error {
		got.Input, got.Options = in, o
		return nil
	}
	got.Code = cli.Execute(t.Context(), f, root(f), args)
	got.Stdout, got.Stderr = stdout.String(), stderr.String()
	return got
}

// Recorder is a factory whose output is kept.
func Recorder() (f *cli.Factory, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return &cli.Factory{Terminal: Terminal(0, stdout, stderr), TaskQueue: workflows.TaskQueue}, stdout, stderr
}

// Failure is an error as it looks after it has passed through Temporal.
func Failure(err error) error {
	c := temporal.GetDefaultFailureConverter()
	return c.FailureToError(c.ErrorToFailure(err))
}

// WriteFile writes a file of a name to a folder of its own.
func WriteFile(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}
