package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/starter/internal/demo"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	demoConnection = "demo" // the simulator writes its configuration under this name
	demoPipeline   = "nightly-close"
	demoSpeed      = 120 // the night's batches take half an hour on the simulator's clock
	readyTimeout   = 60 * time.Second
	logTail        = 25
)

func newDemoCommand(a *app) *cobra.Command {
	d := &demonstration{app: a}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a night's close here, against a simulated service",
		Long: `Run last night's close on this machine: Temporal, its web interface, a worker, and a
simulator of the service, all started here and all ended here. Files of real size go
up, batches run, reports come down and are checked byte by byte.

Then everything stays up until Ctrl-C, to look around; with CI=true it ends by itself,
with exit code 0 only when the close is done and its reports are as the result says.`,
		Example: `  make demo
  starter demo --pipelines deploy/pipelines --dir /tmp/night`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&d.bin, "bin-dir", "", "the `folder` of devserver, simulator and worker (default this program's own)")
	flags.StringVar(&d.pipelines, "pipelines", "deploy/pipelines", "the `folder` that holds "+demoPipeline+".yaml")
	flags.StringVar(&d.dir, "dir", "", "keep everything (configuration, database, logs, files, reports) in this `folder`")
	flags.Float64Var(&d.speed, "speed", demoSpeed, "simulated `seconds` in a real second")
	return cmd
}

// demonstration is one run of the demo.
type demonstration struct {
	*app
	bin, pipelines, dir string
	speed               float64

	own       bool // dir is ours to remove
	processes *demo.Processes
	asOf      string
	ui        string
}

type devserverReady struct {
	Address   string `json:"address"`
	UI        string `json:"ui"`
	Namespace string `json:"namespace"`
}

func (d *demonstration) run(ctx context.Context) error {
	// The programs die with the thread that started them, so it must live as long as they should.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	definition, err := d.prepare()
	if err != nil {
		return err
	}
	d.processes = demo.NewProcesses(d.path("logs"))
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	go func() {
		select {
		case err := <-d.processes.Ended():
			fail(&problem{code: exitFailed, message: err.Error()})
		case <-ctx.Done():
		}
	}()
	err = d.night(ctx, definition)
	if err == nil && !inCI() {
		d.linger(ctx)
	}
	if p := (*problem)(nil); errors.As(context.Cause(ctx), &p) {
		err = p
	}
	d.processes.Stop()
	return d.cleanUp(err)
}

func inCI() bool { return os.Getenv("CI") == "true" }

func (d *demonstration) path(elements ...string) string {
	return filepath.Join(append([]string{d.dir}, elements...)...)
}

// prepare finds what is needed and makes the folder.
func (d *demonstration) prepare() (*pipeline.Pipeline, error) {
	if d.bin == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find the demo's programs: %w", err)
		}
		d.bin = filepath.Dir(self)
	}
	var faults []string
	for _, name := range []string{"devserver", "simulator", "worker"} {
		if _, err := os.Stat(filepath.Join(d.bin, name)); err != nil {
			faults = append(faults, err.Error())
		}
	}
	definition, err := d.definition()
	if err != nil {
		faults = append(faults, err.Error())
	}
	if len(faults) > 0 {
		return nil, &problem{code: exitUsage, message: "the demo is not complete", faults: faults, next: []string{"make demo builds everything and starts it."}}
	}
	return definition, d.makeFolders()
}

// definition is the example pipeline. The demo's night begins now, whatever the
// clock says, so that its times of day become hours from now.
func (d *demonstration) definition() (*pipeline.Pipeline, error) {
	file := filepath.Join(d.pipelines, demoPipeline+".yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p, err := pipeline.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	const fromNow = "8h"
	shift := func(at *string) {
		if *at != "" {
			*at = fromNow
		}
	}
	shift(&p.Deadline)
	for _, s := range p.Steps {
		switch s.Kind() {
		case pipeline.KindUpload:
			shift(&s.Upload.WaitUntil)
		case pipeline.KindBatch:
			shift(&s.Batch.Deadline)
		case pipeline.KindGroup:
			shift(&s.Group.Deadline)
		case pipeline.KindReport:
			shift(&s.Report.Deadline)
		}
	}
	return p, nil
}

func (d *demonstration) makeFolders() (err error) {
	if d.own = d.dir == ""; d.own {
		d.dir, err = os.MkdirTemp("", "pbsmflow-demo-")
	} else {
		d.dir, err = filepath.Abs(d.dir)
	}
	for _, folder := range []string{"logs", "inbox", "reports", "pipelines", "service"} {
		err = errors.Join(err, os.MkdirAll(d.path(folder), 0o755))
	}
	return err
}

// night starts everything, runs the close and checks what came of it.
func (d *demonstration) night(ctx context.Context, definition *pipeline.Pipeline) error {
	asOf := demo.LastBusinessDay(time.Now())
	d.asOf = asOf.Format(time.DateOnly)
	d.say("Last night's close, as of %s. Everything is in %s.", asOf.Format("Monday 2006-01-02"), d.dir)
	made := make(chan error, 1)
	go func() { made <- demo.WriteInputs(d.path("inbox"), asOf) }()
	err := d.startServers(ctx)
	if err := errors.Join(err, <-made); err != nil {
		return err
	}
	d.say("Made %s and %s rows of input.", view.Count(demo.LedgerRows), view.Count(demo.InstrumentRows))
	if err := d.startWorker(ctx, definition); err != nil {
		return err
	}
	s, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	s.ui = d.ui
	return d.close(ctx, s)
}

// say goes to stderr when stdout is for one document.
func (d *demonstration) say(format string, args ...any) {
	if d.json() {
		d.note(format, args...)
		return
	}
	d.print(fmt.Sprintf(format, args...))
}

func (d *demonstration) startServers(ctx context.Context) error {
	if err := d.isolate(); err != nil {
		return err
	}
	server, err := d.processes.Start(filepath.Join(d.bin, "devserver"), os.Environ(), "--port", "0", "--ui-port", "0", "--db", d.path("temporal.db"))
	if err != nil {
		return err
	}
	simulator, err := d.processes.Start(filepath.Join(d.bin, "simulator"), os.Environ(),
		"--write-config", d.dir, "--dir", d.path("service"), "--speed", strconv.FormatFloat(d.speed, 'g', -1, 64))
	if err != nil {
		return err
	}
	var temporal devserverReady
	var service struct {
		BaseURL string `json:"base_url"`
	}
	if err := errors.Join(server.Ready(ctx, readyTimeout, &temporal), simulator.Ready(ctx, readyTimeout, &service)); err != nil {
		return err
	}
	d.ui = temporal.UI
	d.say("Temporal runs at %s, its web interface at %s, the simulated service at %s.", temporal.Address, temporal.UI, service.BaseURL)
	return errors.Join(os.Setenv("TEMPORAL_ADDRESS", temporal.Address), os.Setenv("TEMPORAL_NAMESPACE", temporal.Namespace))
}

// isolate keeps settings for other servers and services out of the demo's programs and this one.
func (d *demonstration) isolate() error {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "TEMPORAL_") || strings.HasPrefix(name, "PBSM_") {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	d.config, d.taskQueue, d.given = d.path("pbsm.yaml"), workflows.TaskQueue, ""
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
	worker, err := d.processes.Start(filepath.Join(d.bin, "worker"), append(os.Environ(), "PBSM_CONFIG="+d.config))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for !answers(ctx, "http://"+health+"/readyz") {
		select {
		case <-worker.Over():
			return &problem{code: exitFailed, message: "the worker did not start"}
		case <-ctx.Done():
			return fmt.Errorf("the worker is not ready: %w", context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func answers(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// completeConfig adds to the simulator's connection what the worker needs.
func (d *demonstration) completeConfig(health string, definition *pipeline.Pipeline) error {
	text, err := yamlText(definition)
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.path("pipelines", demoPipeline+".yaml"), []byte(text), 0o644); err != nil {
		return err
	}
	file, err := os.OpenFile(d.config, os.O_APPEND|os.O_WRONLY, 0)
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
  stop_timeout: 5s
  poll: {min: 250ms, max: 1s}
`, "file://"+d.path("inbox"), "file://"+d.path("reports"), health, d.path("pipelines"))
	return errors.Join(err, file.Close())
}

// close runs the close as starter close does, then checks its reports.
func (d *demonstration) close(ctx context.Context, s *session) error {
	in, err := closeInput(demoConnection, demoPipeline, d.asOf, person())
	if err != nil {
		return err
	}
	run, err := s.start(ctx, in, following{})
	if err != nil {
		return err
	}
	s.announce(run)
	result := &workflows.NightlyCloseResult{}
	if err := s.followTo(ctx, run, false, result); err != nil {
		return err
	}
	if !d.json() {
		s.showResult(result)
	}
	reports, err := d.verify(result)
	d.show(s, run, result, reports)
	return err
}

// verified is a report as it lies on the disk.
type verified struct {
	Step string `json:"step"`
	Path string `json:"path"`
	demo.Facts
	// AsReported: the file is what the close's result says.
	AsReported bool `json:"as_reported"`
}

// verify compares the reports on the disk with what the result says of them.
func (d *demonstration) verify(result *workflows.NightlyCloseResult) ([]verified, error) {
	var reports []verified
	var faults []string
	for _, step := range result.Steps {
		if step.Report == nil {
			continue
		}
		file := step.Report.File
		path := d.path(filepath.FromSlash(file.File))
		facts, err := demo.Look(path)
		same := err == nil && facts == demo.Facts{Bytes: file.Bytes, Rows: file.Rows, SHA256: file.SHA256}
		switch {
		case err != nil:
			faults = append(faults, err.Error())
		case !same:
			faults = append(faults, fmt.Sprintf("%s holds %+v; the result says %d bytes, %d rows, SHA-256 %s", path, facts, file.Bytes, file.Rows, file.SHA256))
		}
		reports = append(reports, verified{Step: step.ID, Path: path, Facts: facts, AsReported: same})
	}
	if len(reports) == 0 {
		faults = append(faults, "the close made no report")
	}
	if len(faults) > 0 {
		return reports, &problem{code: exitFailed, message: "the reports are not as the result says", faults: faults}
	}
	return reports, nil
}

type demoDocument struct {
	Close      *workflows.NightlyCloseResult `json:"close"`
	Reports    []verified                    `json:"reports"`
	WorkflowID string                        `json:"workflow_id"`
	URL        string                        `json:"url"`
	Dir        string                        `json:"dir"`
}

func (d *demonstration) show(s *session, run workflows.Execution, result *workflows.NightlyCloseResult, reports []verified) {
	if d.json() {
		d.printJSON(demoDocument{Close: result, Reports: reports, WorkflowID: run.ID, URL: s.link(run.ID), Dir: d.dir})
		return
	}
	d.print("")
	d.print(reportLines(reports, d.width())...)
	d.print("", "The close in the web interface: "+s.link(run.ID))
}

// reportLines are a table where it fits, else a paragraph for each report.
func reportLines(reports []verified, width int) []string {
	rows := [][]string{{"REPORT", "ROWS", "BYTES", "CHECKED", "SHA-256"}}
	var paragraphs []string
	for _, r := range reports {
		word := "as reported"
		if !r.AsReported {
			word = "DIFFERS"
		}
		rows = append(rows, []string{r.Path, view.Count(r.Rows), view.Count(r.Bytes), word, r.SHA256})
		paragraphs = append(paragraphs, r.Path,
			fmt.Sprintf("  %s rows, %s bytes, %s", view.Count(r.Rows), view.Count(r.Bytes), word), "  SHA-256 "+r.SHA256)
	}
	table := view.Table([]view.Column{{}, {Right: true}, {Right: true}, {}, {}}, rows, 0)
	for _, line := range table {
		if width > 0 && view.Width(line) > width {
			return paragraphs
		}
	}
	return table
}

// linger keeps everything up until Ctrl-C, or until a program ends.
func (d *demonstration) linger(ctx context.Context) {
	d.say(`
Everything stays up until Ctrl-C. From another terminal:
  export TEMPORAL_ADDRESS=%s PBSM_CONFIG=%s
  %s batch run --connection %s --code PBSM_ALLOC --as-of %s --again "to watch it"
  %s file list`,
		os.Getenv("TEMPORAL_ADDRESS"), d.config, d.program(), demoConnection, d.asOf, d.program())
	<-ctx.Done()
	d.say("Stopping.")
}

func (d *demonstration) program() string {
	return cmp.Or(os.Args[0], "starter")
}

// cleanUp removes the folder after a good end; after a bad one it says where to look.
func (d *demonstration) cleanUp(err error) error {
	if err == nil {
		if d.own {
			return os.RemoveAll(d.dir)
		}
		d.say("Kept: %s", d.dir)
		return nil
	}
	p := asProblem(err)
	if p.code == exitInterrupted {
		p = &problem{code: exitInterrupted, message: "the demo was stopped, and everything with it"}
		if d.own {
			return errors.Join(p, os.RemoveAll(d.dir))
		}
		return p
	}
	if inCI() {
		d.note("%s", demo.Tails(d.path("logs"), logTail))
	}
	p.next = append(p.next, "Kept for a look: "+d.dir+" (logs of each program in logs)")
	return p
}
