package deploy

import (
	"bytes"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const modulePath = "github.com/pbsmflow/pbsmflow/"

// dockerfile parses deploy/Dockerfile into its stages.
func dockerfile(t *testing.T) []instructions.Stage {
	t.Helper()
	ast, err := parser.Parse(bytes.NewReader(readFile(t, deploy+"/Dockerfile")))
	require.NoError(t, err)
	require.Empty(t, ast.Warnings)
	stages, _, err := instructions.Parse(ast.AST, nil)
	require.NoError(t, err)
	return stages
}

func stage(t *testing.T, stages []instructions.Stage, name string) instructions.Stage {
	t.Helper()
	i := slices.IndexFunc(stages, func(s instructions.Stage) bool { return s.Name == name })
	require.GreaterOrEqual(t, i, 0, "there is no stage %s", name)
	return stages[i]
}

// commands returns the instructions of type C of a stage, after those of the stages that it is based on.
func commands[C instructions.Command](t *testing.T, stages []instructions.Stage, name string) []C {
	t.Helper()
	s := stage(t, stages, name)
	var found []C
	if slices.ContainsFunc(stages, func(base instructions.Stage) bool { return base.Name == s.BaseName }) {
		found = commands[C](t, stages, s.BaseName)
	}
	for _, command := range s.Commands {
		if c, ok := command.(C); ok {
			found = append(found, c)
		}
	}
	return found
}

func TestDockerfile_hasTheTargetsOfTheComposeFile(t *testing.T) {
	stages := dockerfile(t)
	built := map[string]bool{}
	for name, service := range everything(t).Services {
		if service.Build == nil {
			continue
		}
		target := service.Build.Target
		assert.True(t, strings.HasPrefix(service.Image, "pbsmflow/"+target+":"), "%s is built as %s", name, target)
		built[target] = true
		assert.Equal(t, absolute(t, root), service.Build.Context)
		assert.Equal(t, "deploy/Dockerfile", service.Build.Dockerfile)
		assert.Contains(t, service.Build.Args, "VERSION")

		users := commands[*instructions.UserCommand](t, stages, target)
		require.NotEmpty(t, users)
		assert.Regexp(t, `^[1-9]\d*:[1-9]\d*$`, users[len(users)-1].User)

		entrypoints := commands[*instructions.EntrypointCommand](t, stages, target)
		require.NotEmpty(t, entrypoints)
		entrypoint := entrypoints[len(entrypoints)-1]
		assert.False(t, entrypoint.PrependShell, "signals reach the process")
		assert.Equal(t, []string{"/usr/local/bin/" + target}, []string(entrypoint.CmdLine))
		assert.True(t, slices.ContainsFunc(commands[*instructions.CopyCommand](t, stages, target), func(c *instructions.CopyCommand) bool {
			return c.DestPath == entrypoint.CmdLine[0] && c.From == "build" && slices.Equal(c.SourcePaths, []string{"/out/" + target})
		}), "%s is copied from the build", entrypoint.CmdLine[0])
	}
	assert.Equal(t, map[string]bool{"worker": true, "starter": true, "simulator": true}, built)
}

func TestDockerfile_baseImagesArePinned(t *testing.T) {
	known := []string{"scratch"}
	for _, s := range dockerfile(t) {
		if !slices.Contains(known, s.BaseName) {
			assert.Regexp(t, `:\d+\.\d+\.\d+-[a-z]+$`, s.BaseName)
		}
		for _, command := range s.Commands {
			if c, ok := command.(*instructions.CopyCommand); ok && c.From != "" {
				assert.Contains(t, known, c.From)
			}
		}
		known = append(known, s.Name)
	}
}

func TestDockerfile_buildsTheModule(t *testing.T) {
	stages := dockerfile(t)
	goVersion := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(readFile(t, root+"/go.mod"))
	require.NotNil(t, goVersion)
	assert.Equal(t, "golang:"+string(goVersion[1])+"-bookworm", stage(t, stages, "build").BaseName)

	var build string
	for _, run := range commands[*instructions.RunCommand](t, stages, "build") {
		if line := strings.Join(run.CmdLine, " "); strings.Contains(line, "go build") {
			build = line
		}
	}
	variable := regexp.MustCompile(`-X (\S+)\.Version=`).FindStringSubmatch(build)
	require.NotNil(t, variable)
	assert.Equal(t, "version", goList(t, "{{.Name}}", variable[1])[0])

	packages := regexp.MustCompile(`\./\S+`).FindAllString(build, -1)
	names := make([]string, len(packages))
	for i, p := range packages {
		names[i] = path.Base(p)
	}
	assert.ElementsMatch(t, []string{"worker", "starter", "simulator"}, names)

	ignored := strings.Split(strings.TrimSpace(string(readFile(t, deploy+"/Dockerfile.dockerignore"))), "\n")
	copied := []string{}
	for _, c := range commands[*instructions.CopyCommand](t, stages, "build") {
		for _, source := range c.SourcePaths {
			copied = append(copied, source)
			assert.Contains(t, ignored, "!"+source, "the build context excludes %s", source)
		}
	}
	for _, dependency := range goList(t, "{{if not .Standard}}{{.ImportPath}}{{end}}", append([]string{"-deps"}, packages...)...) {
		if in, ours := strings.CutPrefix(dependency, modulePath); ours {
			assert.True(t, slices.ContainsFunc(copied, func(folder string) bool { return in == folder || strings.HasPrefix(in, folder+"/") }), "%s is needed by the build", dependency)
		}
	}
}

// make release and the images contain the same bytes.
func TestDockerfile_buildsLikeTheMakefile(t *testing.T) {
	flags := regexp.MustCompile(`go build (.*?-ldflags "?[^"]*")`)
	makefile := string(readFile(t, root+"/Makefile"))
	variable := func(name string) string {
		found := regexp.MustCompile(`(?m)^` + name + ` *:= (.*)$`).FindStringSubmatch(makefile)
		require.NotNil(t, found, name)
		return found[1]
	}
	made := flags.FindStringSubmatch(variable("GOBUILD"))
	require.NotNil(t, made)
	expanded := strings.NewReplacer("$(LDFLAGS)", variable("LDFLAGS"), "$(MODULE)", variable("MODULE"), "$(VERSION)", "VERSION").Replace(made[1])
	expanded = strings.NewReplacer("$(MODULE)", variable("MODULE"), "$(VERSION)", "VERSION").Replace(expanded)
	dockerfile := strings.ReplaceAll(string(readFile(t, deploy+"/Dockerfile")), "\\\n", "")
	copied := flags.FindStringSubmatch(dockerfile)
	require.NotNil(t, copied)
	assert.Equal(t, strings.Fields(expanded), strings.Fields(strings.ReplaceAll(copied[1], "${VERSION}", "VERSION")))
	for _, text := range []string{variable("GOBUILD"), dockerfile} {
		assert.Contains(t, text, "CGO_ENABLED=0")
	}
	module := regexp.MustCompile(`(?m)^module (\S+)$`).FindStringSubmatch(string(readFile(t, root+"/go.mod")))
	assert.Equal(t, module[1], variable("MODULE"))
}

func goList(t *testing.T, format string, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-tags", "timetzdata", "-f", format}, args...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err, "%v", args)
	return strings.Fields(string(out))
}
