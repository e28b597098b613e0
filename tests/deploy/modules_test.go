package deploy

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The embedded server is a module of its own, so that deployed workers do not contain it.
func TestModules_workerAndStarterContainNoServer(t *testing.T) {
	t.Parallel()
	list := exec.Command("go", "list", "-deps", "./worker", "./starter")
	list.Dir = root
	out, err := list.Output()
	require.NoError(t, err)
	packages := strings.Fields(string(out))
	require.Contains(t, packages, "go.temporal.io/sdk/client", "the list has the right packages")
	for _, p := range packages {
		require.False(t, strings.HasPrefix(p, "go.temporal.io/server"), "%s", p)
	}
}

// A dependency that two modules have in two versions is compiled twice, with everything that imports it, which takes
// minutes.
func TestModules_agreeOnVersions(t *testing.T) {
	t.Parallel()
	const devserver, golangci = deploy + "/devserver", root + "/.ci/golangci"
	heldBack := map[string][]string{
		// Temporal's server needs an older otel/log.
		devserver: {"go.opentelemetry.io/otel", "google.golang.org/api", "github.com/googleapis/gax-go/"},
		// golangci-lint needs newer ones.
		golangci: {"github.com/BurntSushi/toml", "github.com/Masterminds/semver/", "github.com/mattn/go-colorable",
			"github.com/santhosh-tekuri/jsonschema/"},
	}
	type use struct{ module, version string }
	first := map[string]use{}
	for _, module := range []string{root, root + "/tests", root + "/tools", root + "/tests/s3server", root + "/.ci/tools", devserver, golangci} {
		read := exec.Command("go", "mod", "edit", "-json")
		read.Dir = module
		out, err := read.Output()
		require.NoError(t, err)
		var mod struct {
			Require []struct{ Path, Version string }
		}
		require.NoError(t, json.Unmarshal(out, &mod))
		require.NotEmpty(t, mod.Require, module)
		for _, needed := range mod.Require {
			former, known := first[needed.Path]
			switch {
			case slices.ContainsFunc(heldBack[module], func(prefix string) bool { return strings.HasPrefix(needed.Path, prefix) }):
			case !known:
				first[needed.Path] = use{module, needed.Version}
			case former.version != needed.Version:
				t.Errorf("%s has %s %s, and %s has %s: raise the older one with go get", former.module, needed.Path, former.version, module, needed.Version)
			}
		}
	}
}
