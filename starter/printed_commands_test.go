package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/clitest"
)

// bareCommand matches a command of the starter whose program is not written as configured.
func bareCommand() *regexp.Regexp {
	var names []string
	for _, cmd := range newRoot(clitest.Factory(0)).Commands() {
		names = append(names, cmd.Name())
	}
	return regexp.MustCompile(`(?:^|[^\w-])starter (?:` + strings.Join(names, "|") + `)\b`)
}

// Where the starter is called with words before it, no help text shows a command without them.
func TestHelp_showsCommandsAsConfigured(t *testing.T) {
	const program = "docker compose run --rm the-starter"
	bare := bareCommand()
	var check func(path []string, cmd *cobra.Command)
	check = func(path []string, cmd *cobra.Command) {
		f, stdout, _ := clitest.Recorder()
		f.Program = program
		require.Zero(t, cli.Execute(t.Context(), f, newRoot(f), append(path, "--help")))
		assert.NotRegexp(t, bare, stdout.String())
		assert.Contains(t, stdout.String(), program+" "+strings.Join(path, " "))
		for _, sub := range cmd.Commands() {
			if sub.Name() != "completion" && sub.Name() != "help" { // cobra's
				check(append(path[:len(path):len(path)], sub.Name()), sub)
			}
		}
	}
	check(nil, newRoot(clitest.Factory(0)))
	got := clitest.Invoke(t, func(f *cli.Factory) *cobra.Command {
		f.Program = program
		return newRoot(f)
	}, "close", "interupt", "x")
	assert.Contains(t, got.Stderr, "close: unknown command")
	assert.Contains(t, got.Stderr, "Did you mean: "+program+" close interrupt")
}

// No text of a program has a command in it that would be printed in another way than the configuration says, nor the
// layout of a time that operators would read in another zone, or without one.
func TestTexts_haveNoBareCommandsOrTimes(t *testing.T) {
	bare := bareCommand()
	literals := 0
	for _, folder := range []string{"../activities", "../internal", "../starter", "../worker", "../workflows"} {
		require.NoError(t, filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, 0)
			require.NoError(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					literals++
					text, err := strconv.Unquote(literal.Value)
					require.NoError(t, err)
					if !strings.HasPrefix(path, "../internal/") || strings.HasPrefix(path, "../internal/notify/") {
						assert.NotContains(t, text, "15:04", "%s: write it with internal/clock", files.Position(literal.Pos()))
					}
					assert.NotRegexp(t, bare, text, "%s: write Starter(...)", files.Position(literal.Pos()))
				}
				return true
			})
			return nil
		}))
	}
	assert.Greater(t, literals, 1000)
}

func TestFindProgram(t *testing.T) {
	cfg := clitest.WriteFile(t, "pbsm.yaml", "worker: {starter: kubectl exec deploy/worker -- starter}\n")
	const configured = config.Starter("kubectl exec deploy/worker -- starter")
	for i, test := range []struct {
		args, env []string
		want      config.Starter
	}{
		{nil, nil, "bin/starter"},
		{[]string{"inbox", "--config", cfg}, nil, configured},
		{[]string{"inbox", "--config=" + cfg}, nil, configured},
		{nil, []string{"PBSM_CONFIG=" + cfg}, configured},
		{nil, []string{"PBSM_CONFIG=" + cfg, "PBSM_WORKER__STARTER=pbsm"}, "pbsm"},
		{nil, []string{"PBSM_WORKER__STARTER=pbsm"}, "pbsm"},
		{[]string{"inbox", "--config", cfg + ".gone"}, nil, "bin/starter"},
		{[]string{"inbox", "--config"}, nil, "bin/starter"},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Chdir(t.TempDir())
			assert.Equal(t, test.want, cli.FindProgram("bin/starter", test.args, test.env))
		})
	}
}
