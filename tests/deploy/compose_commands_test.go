package deploy

import (
	"bufio"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/config"
)

// binary returns a program of this project: from the folder PBSMFLOW_BIN, or built here.
func binary(t *testing.T, pkg string) string {
	t.Helper()
	if dir := os.Getenv("PBSMFLOW_BIN"); dir != "" {
		return filepath.Join(dir, path.Base(pkg))
	}
	file := filepath.Join(t.TempDir(), path.Base(pkg))
	cmd := exec.Command("go", "build", "-o", file, pkg)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return file
}

func TestCompose_workerKnowsItsHealthCheck(t *testing.T) {
	worker := everything(t).Services["worker"]
	assert.Empty(t, worker.Command)
	check := worker.HealthCheck.Test[1:]
	require.Equal(t, "/usr/local/bin/worker", check[0])
	out, err := exec.Command(binary(t, "./worker"), append(check[1:], "--help")...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "/readyz at worker.health of the configuration")
}

// The simulator starts and is healthy with the commands of the compose file, and writes a configuration that is
// complete with the environment of demo.env.
func TestCompose_demoConfigurationIsComplete(t *testing.T) {
	demo := load(t, "demo.env")
	service := demo.Services["simulator"]
	simulator := binary(t, "./internal/simulator/cmd/simulator")
	dir, address := t.TempDir(), freeAddress(t)

	cmd := exec.Command(simulator, append(slices.Clone([]string(service.Command)), "--addr="+address, "--write-config="+dir)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	_, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "it announces that it is ready")

	check := service.HealthCheck.Test[1:]
	require.Equal(t, "/usr/local/bin/simulator", check[0])
	in := strings.Replace(strings.Join(check[1:], " "), "127.0.0.1:8443", address, 1)
	output, err := exec.Command(simulator, strings.Fields(in)...).CombinedOutput()
	require.NoError(t, err, "%s", output)

	worker := demo.Services["worker"]
	env := environment(t, worker.Environment)
	assert.Equal(t, "/demo/pbsm.yaml", env["PBSM_CONFIG"])
	assert.Contains(t, service.Command, "--write-config=/demo")
	env["PBSM_CONFIG"] = filepath.Join(dir, "pbsm.yaml")
	cfg, err := config.Load("", list(env))
	require.NoError(t, err)
	assert.Equal(t, "https://simulator:8443/", cfg.Connections["demo"].BaseURL[:len("https://simulator:8443/")])
	assert.Contains(t, cfg.StoreSettings(), "inbox")
	assert.Contains(t, cfg.StoreSettings(), "reports")
	assert.Equal(t, "/pipelines", cfg.Worker.Pipelines)

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait(), "it stops on SIGTERM")
}

// The example only needs names filled in: with a certificate and the secrets, it is a complete configuration.
func TestCompose_exampleConfigurationIsComplete(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pbsm.yaml"), readFile(t, deploy+"/config/pbsm.example.yaml"), 0o600))
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "outcert.pem"), certificate, 0o600))

	project := load(t, "")
	env := environment(t, project.Services["worker"].Environment)
	assert.Equal(t, "/etc/pbsm/pbsm.yaml", env["PBSM_CONFIG"])
	env["PBSM_CONFIG"] = filepath.Join(dir, "pbsm.yaml")
	_, err := config.Load("", list(env))
	require.ErrorContains(t, err, "/run/secrets/pbsm_client_secret")
	require.ErrorContains(t, err, "/run/secrets/pbsm_password")

	for key, secret := range map[string]string{"CLIENT_SECRET": "pbsm_client_secret", "PASSWORD": "pbsm_password"} {
		assert.True(t, slices.ContainsFunc(project.Services["worker"].Secrets, func(s types.ServiceSecretConfig) bool { return s.Source == secret }))
		env["PBSM_CONNECTIONS__PROD__"+key+"__FILE"] = absolute(t, deploy+"/demo-secrets/"+secret)
	}
	cfg, err := config.Load("", list(env))
	require.NoError(t, err)
	assert.Contains(t, cfg.Connections, "prod")
}

// The codec server starts with the command of the compose file, passes its health check, and accepts requests from the
// origin of the UI, at the endpoint that the UI is configured with.
func TestCompose_codecServer(t *testing.T) {
	project := load(t, "encryption.env")
	service, ui := project.Services["codec-server"], project.Services["ui"]
	starter, address := binary(t, "./starter"), freeAddress(t)
	file := filepath.Join(t.TempDir(), "pbsm.yaml")
	require.NoError(t, os.WriteFile(file, []byte("encryption: {current: a, keys: {a: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=}}\n"), 0o600))
	const listen = "--listen=0.0.0.0:8081"
	require.Contains(t, service.Command, listen)
	command := slices.Clone([]string(service.Command))
	command[slices.Index(command, listen)] = "--listen=" + address

	cmd := exec.Command(starter, command...)
	cmd.Env = []string{"PBSM_CONFIG=" + file}
	log, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	_, err = bufio.NewReader(log).ReadString('\n')
	require.NoError(t, err, "it announces that it is ready")

	check := service.HealthCheck.Test[1:]
	require.Equal(t, "/usr/local/bin/starter", check[0])
	out, err := exec.Command(starter, append(check[1:], "--url", "http://"+address+"/healthz")...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	help, err := exec.Command(starter, append(check[1:], "--help")...).CombinedOutput()
	require.NoError(t, err)
	assert.Contains(t, string(help), "http://127.0.0.1:8081/healthz")

	require.NotNil(t, ui.Environment["TEMPORAL_CODEC_ENDPOINT"])
	assert.Equal(t, "http://localhost:"+service.Ports[0].Published, *ui.Environment["TEMPORAL_CODEC_ENDPOINT"])
	origin := *ui.Environment["TEMPORAL_CORS_ORIGINS"]
	for asking, want := range map[string]int{origin: http.StatusOK, "http://elsewhere.example.com": http.StatusForbidden} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/decode", strings.NewReader(`{"payloads": []}`))
		require.NoError(t, err)
		request.Header.Set("Origin", asking)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, want, response.StatusCode, asking)
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait(), "it stops on SIGTERM")
}

func TestSetupScripts_parse(t *testing.T) {
	for _, script := range []string{"setup-schema.sh", "setup-namespace.sh"} {
		out, err := exec.Command("sh", "-n", filepath.Join(deploy, "config", script)).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// An existing namespace gets the retention of the compose file, too, because it is part of the protection against
// running a batch twice.
func TestSetupScripts_updateRetentionOfAnExistingNamespace(t *testing.T) {
	for describe, want := range map[string]string{"true": "update", "false": "create"} {
		bin, calls := t.TempDir(), filepath.Join(t.TempDir(), "calls")
		cli := "#!/bin/sh\necho \"$@\" >> " + calls + "\ncase \"$*\" in *\"namespace describe\"*) " + describe + ";; esac\n"
		require.NoError(t, os.WriteFile(filepath.Join(bin, "temporal"), []byte(cli), 0o700))
		setup := exec.Command("sh", filepath.Join(deploy, "config", "setup-namespace.sh"), filepath.Join(deploy, "devserver", "search-attributes.txt"))
		setup.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "TEMPORAL_NAMESPACE=bank", "RETENTION=45d"}
		out, err := setup.CombinedOutput()
		require.NoError(t, err, "%s", out)
		called, err := os.ReadFile(calls)
		require.NoError(t, err)
		require.Contains(t, string(called), "operator namespace "+want+" --namespace bank --retention 45d\n")
	}
}

func environment(t *testing.T, of types.MappingWithEquals) map[string]string {
	t.Helper()
	env := map[string]string{}
	for key, value := range of {
		require.NotNil(t, value, key)
		env[key] = *value
	}
	return env
}

func list(env map[string]string) []string {
	var l []string
	for key, value := range env {
		l = append(l, key+"="+value)
	}
	return l
}
