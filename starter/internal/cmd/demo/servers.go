package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	cmdpipeline "github.com/pbsmflow/pbsmflow/starter/internal/cmd/pipeline"
	"github.com/pbsmflow/pbsmflow/workflows"
)

type devserverReady struct {
	Address   string `json:"address"`
	UI        string `json:"ui"`
	Namespace string `json:"namespace"`
}

func (d *demonstration) startServers(ctx context.Context) error {
	if err := d.isolate(); err != nil {
		return err
	}
	server, err := d.processes.start(filepath.Join(d.bin, "devserver"), os.Environ(), "--port", "0", "--ui-port", "0",
		"--db", d.path("temporal.db"))
	if err != nil {
		return err
	}
	arguments := []string{
		"--write-config", d.dir, "--dir", d.path("service"), "--speed", strconv.FormatFloat(d.speed, 'g', -1, 64),
	}
	if !d.calm {
		arguments = append(arguments, "--fail-once", failingTask)
	}
	simulator, err := d.processes.start(filepath.Join(d.bin, "simulator"), os.Environ(), arguments...)
	if err != nil {
		return err
	}
	var temporal devserverReady
	var service struct {
		BaseURL string `json:"base_url"`
	}
	err = errors.Join(server.ready(ctx, &temporal), simulator.ready(ctx, &service))
	if err != nil {
		return err
	}
	d.ui = temporal.UI
	err = errors.Join(os.Setenv("TEMPORAL_ADDRESS", temporal.Address), os.Setenv("TEMPORAL_NAMESPACE", temporal.Namespace),
		os.Setenv("TEMPORAL_UI", temporal.UI))
	if err == nil {
		err = d.startConsole(ctx)
	}
	if err != nil {
		return err
	}
	d.say("The console, where you see the night and answer: %s", d.console)
	d.say("Temporal runs at %s, its UI at %s, the simulated service at %s.", temporal.Address, temporal.UI,
		service.BaseURL)
	return nil
}

func (d *demonstration) startConsole(ctx context.Context) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the console's program: %w", err)
	}
	console, err := d.processes.start(program, append(os.Environ(), "PBSM_CONFIG="+d.Config),
		"console", "--listen", address)
	if err != nil {
		return err
	}
	d.console = "http://" + address
	return awaitHealthy(ctx, console, d.console+"/healthz")
}

// isolate removes settings for other servers and services from the environment.
func (d *demonstration) isolate() error {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "TEMPORAL_") || strings.HasPrefix(name, "PBSM_") {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	d.Config, d.TaskQueue = d.path("pbsm.yaml"), workflows.TaskQueue
	empty := d.path("temporal.toml")
	return errors.Join(os.WriteFile(empty, nil, 0o600), os.Setenv("TEMPORAL_CONFIG_FILE", empty))
}

func (d *demonstration) startWorker(ctx context.Context, definition *pipeline.Pipeline) error {
	health, err := freeAddress()
	if err != nil {
		return err
	}
	if err := d.completeConfig(health, definition); err != nil {
		return err
	}
	worker, err := d.processes.start(filepath.Join(d.bin, "worker"), append(os.Environ(), "PBSM_CONFIG="+d.Config))
	if err != nil {
		return err
	}
	return awaitHealthy(ctx, worker, "http://"+health+"/readyz")
}

// awaitHealthy waits until the page of a program says that it is well.
func awaitHealthy(ctx context.Context, program *process, page string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for httpx.CheckHealth(ctx, page) != nil {
		select {
		case <-program.done:
			return cli.Failed("the %s did not start", program.name)
		case <-ctx.Done():
			return fmt.Errorf("the %s is not ready: %w", program.name, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// completeConfig adds what the worker needs to the simulator's connection.
func (d *demonstration) completeConfig(health string, definition *pipeline.Pipeline) error {
	text, err := cmdpipeline.YAML(definition)
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.path("pipelines", pipelineName+".yaml"), []byte(text), 0o644); err != nil {
		return err
	}
	file, err := os.OpenFile(d.Config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, `
stores:
  inbox: {url: %q}
  reports: {url: %q}
worker:
  health: %q
  pipelines: %q
  starter: %q
  stop_timeout: 5s
  poll: {min: 250ms, max: 1s}
`, "file://"+d.path("inbox"), "file://"+d.path("reports"), health, d.path("pipelines"), d.Program)
	return errors.Join(err, file.Close())
}
