package deploy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/distribution/reference"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	root   = "../.."
	deploy = root + "/deploy"

	unlessStopped = "unless-stopped"
)

// load validates the compose file against its schema, and resolves it for the profiles in envFile and profiles.
func load(t *testing.T, envFile string, profiles ...string) *types.Project {
	t.Helper()
	options := []cli.ProjectOptionsFn{cli.WithWorkingDirectory(deploy), cli.WithResolvedPaths(true)}
	if envFile != "" {
		options = append(options, cli.WithEnvFiles(filepath.Join(deploy, envFile)), cli.WithDotEnv)
	}
	options = append(options, cli.WithDefaultProfiles(profiles...))
	o, err := cli.NewProjectOptions([]string{filepath.Join(deploy, "docker-compose.yaml")}, options...)
	require.NoError(t, err)
	project, err := o.LoadProject(context.Background())
	require.NoError(t, err)
	return project
}

func everything(t *testing.T) *types.Project { return load(t, "demo.env", "*") }

func TestCompose_profiles(t *testing.T) {
	always := []string{"console", "namespace", "postgres", "schema", "stores", "temporal", "ui", "worker"}
	for name, tc := range map[string]struct {
		envFile  string
		profiles []string
		extra    []string
	}{
		"for a tenant":  {},
		"demo":          {envFile: "demo.env", extra: []string{"simulator"}},
		"tools":         {profiles: []string{"tools"}, extra: []string{"starter"}},
		"encryption":    {envFile: "encryption.env", extra: []string{"codec-server"}},
		"demo, watched": {envFile: "demo.env", profiles: []string{"demo", "observability"}, extra: []string{"simulator", "prometheus", "grafana"}},
		"watched":       {profiles: []string{"observability"}, extra: []string{"prometheus", "grafana"}},
	} {
		t.Run(name, func(t *testing.T) {
			project := load(t, tc.envFile, tc.profiles...)
			assert.ElementsMatch(t, append(tc.extra, always...), project.ServiceNames())
			worker := project.Services["worker"]
			assert.Equal(t, 2, worker.GetScale())
		})
	}
}

func TestCompose_startingOrder(t *testing.T) {
	const healthy, completed = types.ServiceConditionHealthy, types.ServiceConditionCompletedSuccessfully
	want := map[string]map[string]string{
		"postgres":  {},
		"schema":    {"postgres": healthy},
		"temporal":  {"postgres": healthy, "schema": completed},
		"namespace": {"temporal": healthy},
		"ui":        {"temporal": healthy},
		"stores":    {},
		"worker":    {"temporal": healthy, "namespace": completed, "stores": completed, "simulator": healthy},
		"starter":   {"temporal": healthy, "namespace": completed, "stores": completed, "simulator": healthy},
		"console":   {"temporal": healthy, "namespace": completed, "stores": completed, "simulator": healthy},
		"simulator": {},

		"codec-server": {},
		"prometheus":   {},
		"grafana":      {"prometheus": healthy},
	}
	project := everything(t)
	got := map[string]map[string]string{}
	for name, service := range project.Services {
		got[name] = map[string]string{}
		for on, dependency := range service.DependsOn {
			got[name][on] = dependency.Condition
			assert.Equal(t, on != "simulator", dependency.Required, "%s needs %s: only the demo has the simulator", name, on)
		}
	}
	assert.Equal(t, want, got)
	for name, dependencies := range want {
		for on, condition := range dependencies {
			target := project.Services[on]
			assert.Equal(t, condition == healthy, target.Restart == unlessStopped, "%s waits for %s to be %s", name, on, condition)
		}
	}
}

func TestCompose_servicesAreHardened(t *testing.T) {
	for name, service := range everything(t).Services {
		t.Run(name, func(t *testing.T) {
			assert.True(t, service.ReadOnly, "read_only")
			assert.Equal(t, []string{"ALL"}, service.CapDrop)
			assert.Empty(t, service.CapAdd)
			assert.Contains(t, service.SecurityOpt, "no-new-privileges:true")
			assert.False(t, service.Privileged)
			assert.Empty(t, service.NetworkMode)
			if service.Build == nil { // our own images define it themselves
				assert.Regexp(t, `^[1-9]\d*:[1-9]\d*$`, service.User)
			}
			require.NotNil(t, service.Deploy)
			require.NotNil(t, service.Deploy.Resources.Limits)
			assert.Positive(t, service.Deploy.Resources.Limits.MemoryBytes)
			assert.Positive(t, service.Deploy.Resources.Limits.Pids)
			for _, port := range service.Ports {
				assert.Equal(t, "127.0.0.1", port.HostIP, "port %d is bound to this machine", port.Target)
			}
		})
	}
}

// A service either runs permanently, with a health check, or ends by itself.
func TestCompose_longRunningServicesHaveHealthChecks(t *testing.T) {
	oneShots := []string{"schema", "namespace", "stores", "starter"}
	for name, service := range everything(t).Services {
		if slices.Contains(oneShots, name) {
			assert.Equal(t, "no", service.Restart, name)
			assert.Nil(t, service.HealthCheck, name)
			continue
		}
		assert.Equal(t, unlessStopped, service.Restart, name)
		if assert.NotNil(t, service.HealthCheck, name) {
			assert.False(t, service.HealthCheck.Disable, name)
			assert.Equal(t, "CMD", service.HealthCheck.Test[0], "%s: also works for images without a shell", name)
			assert.NotNil(t, service.HealthCheck.StartPeriod, name)
		}
	}
}

func TestCompose_imagesArePinned(t *testing.T) {
	release := regexp.MustCompile(`^v?\d+\.\d+(\.\d+)?(-[a-z0-9.]+)?$`)
	for name, service := range everything(t).Services {
		if assert.NotEmpty(t, service.Image, name) && service.Build == nil {
			assert.Regexp(t, release, tagOf(t, service.Image), "%s: %s", name, service.Image)
		} else {
			assert.Equal(t, "pbsmflow/"+service.Build.Target+":dev", service.Image)
		}
	}
}

func tagOf(t *testing.T, image string) string {
	t.Helper()
	named, err := reference.ParseNormalizedNamed(image)
	require.NoError(t, err)
	tagged, ok := named.(reference.Tagged)
	require.True(t, ok, "%s has no tag", image)
	return tagged.Tag()
}

// The compose file and the devserver have the same version of Temporal.
func TestCompose_temporalIsTheEmbeddedVersion(t *testing.T) {
	mod := string(readFile(t, deploy+"/devserver/go.mod"))
	services := everything(t).Services
	for service, module := range map[string]string{
		"temporal":  "go.temporal.io/server",
		"schema":    "go.temporal.io/server",
		"namespace": "go.temporal.io/server",
		"ui":        "github.com/temporalio/ui-server/v2",
	} {
		assert.Contains(t, mod, "\t"+module+" v"+tagOf(t, services[service].Image)+"\n", service)
	}
}

func TestCompose_secretsAreFiles(t *testing.T) {
	sensitive := regexp.MustCompile(`(?i)(password|passwd|pwd|secret|token|credential|private)`)
	project := everything(t)
	for name, secret := range project.Secrets {
		assert.Empty(t, secret.Environment, name)
		assert.Empty(t, secret.Content, name)
		assert.FileExists(t, secret.File, name)
	}
	for name, service := range project.Services {
		files := map[string]bool{}
		for _, secret := range service.Secrets {
			assert.Contains(t, project.Secrets, secret.Source, name)
			files["/run/secrets/"+secret.Source] = true
		}
		for key, value := range service.Environment {
			if !sensitive.MatchString(key) {
				continue
			}
			if assert.True(t, strings.HasSuffix(key, "_FILE") || strings.HasSuffix(key, "__FILE") || key == "SECRETS_DIR", "%s: %s holds a secret", name, key) && key != "SECRETS_DIR" {
				assert.True(t, files[*value], "%s: %s=%s is a secret of the service", name, key, *value)
			}
		}
	}
	for name, secret := range load(t, "").Secrets {
		if name == "pbsm_encryption_key" {
			assert.Equal(t, "/dev/null", secret.File, "it is optional")
			continue
		}
		assert.Equal(t, filepath.Join(absolute(t, deploy), "secrets", name), secret.File, "nothing of the demo's is used for a tenant")
	}
}

func TestCompose_mountsExist(t *testing.T) {
	project := everything(t)
	for name, service := range project.Services {
		for _, volume := range service.Volumes {
			switch volume.Type {
			case types.VolumeTypeBind:
				_, err := os.Stat(volume.Source)
				assert.NoError(t, err, name)
				assert.True(t, volume.ReadOnly, "%s: %s", name, volume.Source)
			case types.VolumeTypeVolume:
				assert.Contains(t, project.Volumes, volume.Source, name)
			}
		}
	}
}

// Commands from a container are by the user who called Compose. The image has no user names, and the audit file would say
// "unknown".
func TestCompose_starterKnowsTheUser(t *testing.T) {
	options := []cli.ProjectOptionsFn{cli.WithWorkingDirectory(deploy), cli.WithEnv([]string{"USER=nightshift"}), cli.WithDefaultProfiles("tools")}
	o, err := cli.NewProjectOptions([]string{filepath.Join(deploy, "docker-compose.yaml")}, options...)
	require.NoError(t, err)
	project, err := o.LoadProject(t.Context())
	require.NoError(t, err)
	env := environment(t, project.Services["starter"].Environment)
	assert.Equal(t, "nightshift", env["USER"])
	assert.Equal(t, "/etc/pbsm/pbsm.yaml", env["PBSM_CONFIG"])
	assert.NotContains(t, environment(t, project.Services["worker"].Environment), "USER")
}

// What messages and the starter print can be pasted in the folder of the compose file, with the same env file.
func TestCompose_printedCommandsCanBePasted(t *testing.T) {
	for envFile, want := range map[string]string{
		"":               "docker compose run --rm --no-deps starter",
		"demo.env":       "docker compose --env-file demo.env run --rm --no-deps starter",
		"encryption.env": "docker compose --env-file encryption.env run --rm --no-deps starter",
	} {
		services := load(t, envFile, "*").Services
		for _, name := range []string{"worker", "starter"} {
			assert.Equal(t, want, environment(t, services[name].Environment)["PBSM_WORKER__STARTER"], "%s %s", name, envFile)
		}
	}
}

// The database is for Temporal alone; the outside cannot be reached from its network.
func TestCompose_databaseIsSeparate(t *testing.T) {
	project := everything(t)
	assert.True(t, bool(project.Networks["database"].Internal))
	for name, service := range project.Services {
		_, on := service.Networks["database"]
		assert.Equal(t, slices.Contains([]string{"postgres", "schema", "temporal"}, name), on, name)
	}
}

// The devserver and the setup container register the search attributes that the workflows publish.
func TestSearchAttributes_matchTheWorkflows(t *testing.T) {
	var registered []string
	for line := range strings.Lines(string(readFile(t, deploy+"/devserver/search-attributes.txt"))) {
		if name, kind, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			assert.Equal(t, "Keyword", kind, name)
			registered = append(registered, name)
		}
	}
	assert.ElementsMatch(t, workflows.SearchAttributes(), registered)
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	require.NoError(t, err)
	return abs
}

func freeAddress(t *testing.T) string { return fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t)) }
