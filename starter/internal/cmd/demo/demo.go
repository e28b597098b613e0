// Package demo has starter demo.
package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

const (
	connection   = "demo" // the simulator writes its configuration under this name
	pipelineName = "nightly-close"
	defaultSpeed = 120 // the batches take half an hour on the simulator's clock
	readyTimeout = 60 * time.Second
	logTail      = 25

	// failingStep stops at failingTask, which is a task of its batch, once.
	failingStep = "allocate"
	failingTask = "PBSM_ALLOC/ALLOC_INCOME"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	d := &demonstration{Factory: f}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a nightly close here, against a simulated service",
		Long: `Run last night's close on this machine: Temporal, its UI, a worker,
and a simulator of the service are started here and stopped at the end. Files of
real size are uploaded, batches run, reports are downloaded and checked byte by
byte.

One batch fails at a task, so that the night waits for you: answer on the
console, whose address is printed first, or in a terminal. With --calm nothing
fails.

When the close has ended, everything keeps running until Ctrl-C, to explore;
with CI=true the demo answers itself and stops at once. The exit code is 0 only
when the close succeeded and its reports match the result.`,
		Example: "  make demo\n" + f.Examples(`demo --pipelines deploy/pipelines --dir /tmp/night`),
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&d.bin, "bin-dir", "", "the `folder` of devserver, simulator and worker (default this program's own)")
	flags.StringVar(&d.pipelines, "pipelines", "deploy/pipelines", "the `folder` of "+pipelineName+".yaml")
	flags.StringVar(&d.dir, "dir", "", "keep everything (configuration, database, logs, files, reports) in this `folder`")
	flags.BoolVar(&d.calm, "calm", false, "no batch fails")
	flags.Float64Var(&d.speed, "speed", defaultSpeed, "simulated `seconds` in a real second")
	return cmd
}

// demonstration is one run of the demo.
type demonstration struct {
	*cli.Factory
	bin, pipelines, dir string
	speed               float64
	calm                bool

	own         bool // dir is removed at the end
	processes   *processes
	asOf        string
	ui, console string
}

func (d *demonstration) run(ctx context.Context) error {
	// The programs die with the thread that started them.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	definition, err := d.prepare()
	if err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	d.processes = &processes{logs: d.path("logs"), failed: func(err error) {
		fail(cli.Failed("%v", err))
	}}
	err = d.night(ctx, definition)
	if explorable(err) && !inCI() {
		err = d.reported(err)
		d.linger(ctx)
	}
	if p := (*cli.Problem)(nil); errors.As(context.Cause(ctx), &p) {
		err = p
	}
	d.processes.stop()
	return d.cleanUp(err)
}

// explorable reports whether the close has ended, well or not: then there is something to look at.
func explorable(err error) bool {
	var p *cli.Problem
	return err == nil || errors.As(err, &p) && p.Ended
}

// reported says at once how a close ended that did not succeed, and keeps the exit code.
func (d *demonstration) reported(err error) error {
	if err == nil || d.JSON() {
		return err
	}
	p := cli.AsProblem(err)
	return &cli.Problem{Code: d.Report(p), Message: p.Message, Shown: true}
}

func inCI() bool { return os.Getenv("CI") == "true" }

func (d *demonstration) path(elements ...string) string {
	return filepath.Join(append([]string{d.dir}, elements...)...)
}

// prepare finds what the demo needs and makes its folder.
func (d *demonstration) prepare() (*pipeline.Pipeline, error) {
	if d.bin == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find the demo's programs: %w", err)
		}
		d.bin = filepath.Dir(self)
	}
	var found []string
	for _, name := range []string{"devserver", "simulator", "worker"} {
		if _, err := os.Stat(filepath.Join(d.bin, name)); err != nil {
			found = append(found, err.Error())
		}
	}
	definition, err := d.definition()
	if err != nil {
		found = append(found, err.Error())
	}
	if len(found) > 0 {
		return nil, &cli.Problem{
			Code:     cli.ExitUsage,
			Message:  "the demo is not complete",
			Problems: found,
			Next:     []string{"make demo builds everything and starts it."},
		}
	}
	return definition, d.makeFolders()
}

// definition is the example pipeline. The demo's night begins now, so its times of day become hours from now.
func (d *demonstration) definition() (*pipeline.Pipeline, error) {
	file := filepath.Join(d.pipelines, pipelineName+".yaml")
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
			if s.ID == failingStep && !d.calm {
				s.Batch.Restarts = 0
			}
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

// night starts everything, runs the close and checks its reports.
func (d *demonstration) night(ctx context.Context, definition *pipeline.Pipeline) error {
	asOf := lastBusinessDay(time.Now())
	d.asOf = asOf.Format(time.DateOnly)
	d.say("Last night's close, as of %s. Everything is in %s.", asOf.Format("Monday 2006-01-02"), d.dir)
	made := make(chan error, 1)
	go func() { made <- writeInputs(d.path("inbox"), asOf) }()
	err := d.startServers(ctx)
	if err := errors.Join(err, <-made); err != nil {
		return err
	}
	d.say("Made %s and %s rows of input.", view.Count(ledgerRows), view.Count(instrumentRows))
	if err := d.startWorker(ctx, definition); err != nil {
		return err
	}
	return client.With(ctx, d.Factory, func(s *client.Session) error {
		s.UI = d.ui
		return d.close(ctx, s)
	})
}

// say prints a line, to stderr when stdout is for one document.
func (d *demonstration) say(format string, args ...any) {
	if d.JSON() {
		d.Note(format, args...)
		return
	}
	d.Print(fmt.Sprintf(format, args...))
}

// settings is what the starter needs in another terminal.
func (d *demonstration) settings() string {
	return fmt.Sprintf("export TEMPORAL_ADDRESS=%s PBSM_CONFIG=%s", os.Getenv("TEMPORAL_ADDRESS"), d.Config)
}

// linger keeps everything running until Ctrl-C, or until a program ends.
func (d *demonstration) linger(ctx context.Context) {
	d.say(`
Everything keeps running until Ctrl-C; the console is at %s. From another terminal:
  %s
  %s
  %s`,
		d.console, d.settings(),
		d.Starter("batch run --connection "+connection+" --code PBSM_ALLOC --as-of "+d.asOf+` --again "to watch it"`),
		d.Starter("file list"))
	<-ctx.Done()
	d.say("Stopping.")
}

// cleanUp removes the folder after a success; after a failure it names it.
func (d *demonstration) cleanUp(err error) error {
	if err == nil {
		if d.own {
			return os.RemoveAll(d.dir)
		}
		d.say("Kept: %s", d.dir)
		return nil
	}
	p := cli.AsProblem(err)
	if p.Code == cli.ExitInterrupted {
		p = cli.NewProblem(cli.ExitInterrupted, "the demo was stopped, and everything with it")
		if d.own {
			return errors.Join(p, os.RemoveAll(d.dir))
		}
		return p
	}
	if inCI() {
		d.Note("%s", tails(d.path("logs"), logTail))
	}
	p.Next = append(p.Next, "Kept: "+d.dir+" (the logs of the programs are in logs)")
	return p
}
