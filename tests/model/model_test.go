// Package model checks the protocol of a submission, and what a close carries over, with spin. README.md maps the
// model to the functions of the code.
package model

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const source = "submission.pml"

// scopes are the sizes of the world in which every state is visited. No scope has everything, because the states
// multiply.
var scopes = map[string][]string{
	// Workers die and answers are lost, while the batch is started alone.
	"submission": {"CLOSES=0", "ALONE=2", "SUBMISSIONS=2"},
	// A close is terminated, started again, and told to run steps again. What is lost is in the scope above.
	"close": {"CLOSES=2", "ALONE=0", "SUBMISSIONS=2", "ATTEMPTS=1", "RELIABLE"},
	// A close meets a batch that was started alone.
	"shared": {"CLOSES=1", "ALONE=2", "SUBMISSIONS=1", "ATTEMPTS=1", "RELIABLE"},
}

// mutants are what the code must not do, each with a scope in which that shows.
var mutants = map[string][]string{
	"NO_HEARTBEAT":        scopes["submission"],
	"UNCONFIRMED":         scopes["submission"],
	"RETRY_UNKNOWN":       scopes["submission"],
	"FORGET_ANSWER":       scopes["submission"],
	"UNKNOWN_ENDS":        scopes["submission"],
	"NO_MARK":             scopes["submission"],
	"IGNORE_BASIS":        scopes["close"],
	"CLOSE_IGNORES_BASIS": {"CLOSES=2", "ALONE=0", "SUBMISSIONS=1", "ATTEMPTS=1", "RELIABLE"}, // found ten times as fast
	"ADOPT_SILENTLY":      {"CLOSES=2", "ALONE=0", "SUBMISSIONS=1", "ATTEMPTS=1", "RELIABLE"},
	"TAKE_ANY":            scopes["close"],
	"AGAIN_TWICE":         {"CLOSES=2", "ALONE=0", "SUBMISSIONS=3", "ATTEMPTS=1", "RELIABLE"},
	"JOIN_ANY":            scopes["shared"],
	"ADOPTED_BEGINS_NOW":  scopes["shared"],
}

func TestModel(t *testing.T) {
	found := make(chan map[string]bool, len(scopes))
	t.Run("scopes", func(t *testing.T) {
		for name, scope := range scopes {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				report := check(t, scope)
				require.Contains(t, report, "errors: 0", "%s", report)
				require.NotContains(t, report, "max search depth too small")
				require.NotContains(t, report, "Search not completed")
				found <- unreached(t, report)
			})
		}
	})
	require.Len(t, found, len(scopes))
	everywhere := <-found
	for range len(scopes) - 1 {
		here := <-found
		maps.DeleteFunc(everywhere, func(statement string, _ bool) bool { return !here[statement] })
	}
	require.Empty(t, slices.Sorted(maps.Keys(everywhere)), "no scope reaches these statements")
}

// Each mistake must have a counterexample: a model that cannot fail proves nothing.
func TestModel_findsMistakes(t *testing.T) {
	text, err := os.ReadFile(source)
	require.NoError(t, err)
	for name, scope := range mutants {
		require.Contains(t, string(text), "def "+name+"\n")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := check(t, append(slices.Clone(scope), name))
			require.Contains(t, report, "assertion violated", "%s", report)
		})
	}
}

// check visits the states of the model with some definitions, and returns what spin reports.
func check(t *testing.T, definitions []string) string {
	t.Helper()
	text, err := filepath.Abs(source)
	require.NoError(t, err)
	folder := t.TempDir()
	args := []string{"-a"}
	for _, d := range definitions {
		args = append(args, "-D"+d)
	}
	for _, command := range [][]string{
		append(append([]string{"spin"}, args...), text),
		// Compiled without optimization, because that takes longer than it saves, and without compression: the largest
		// scope has two million states, which are 340 MB.
		{"gcc", "-O0", "-w", "-DSAFETY", "-DMEMLIM=2048", "-o", "pan", "pan.c"},
		{"./pan", "-m10000", "-w22"},
	} {
		if _, err := exec.LookPath(command[0]); err != nil && command[0] != "./pan" {
			t.Fatalf("%s is missing: on Debian, apt-get install spin gcc libc6-dev", command[0])
		}
		c := exec.CommandContext(t.Context(), command[0], command[1:]...)
		var output bytes.Buffer
		c.Dir, c.Stdout, c.Stderr = folder, &output, &output
		if err := c.Run(); err != nil && command[0] != "./pan" {
			t.Fatalf("%s: %v\n%s", command, err, output.String())
		}
		if command[0] == "./pan" {
			return output.String()
		}
	}
	return ""
}

var (
	unreachedIn    = regexp.MustCompile(`(?m)^unreached in proctype (\w+)$`)
	unreachedState = regexp.MustCompile(`submission\.pml:(\d+), state \d+, "(.*)"`)
)

// unreached are the statements of the processes that were never executed, but for the ends that a process without
// end has, and the branches of what is inserted in several places.
func unreached(t *testing.T, report string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(source)
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	inserted := map[string]bool{}
	inside := false
	for i, line := range lines {
		inside = inside && line != "}" || strings.HasPrefix(line, "inline ")
		inserted[fmt.Sprint(i+1)] = inside
	}
	found := map[string]bool{}
	process := ""
	for line := range strings.Lines(report) {
		if m := unreachedIn.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			process = m[1]
		}
		if m := unreachedState.FindStringSubmatch(line); m != nil && m[2] != "-end-" && !inserted[m[1]] {
			found[fmt.Sprintf("%s, line %s: %s", process, m[1], m[2])] = true
		}
	}
	return found
}
