package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	readyWithin = time.Minute
	stopWithin  = 20 * time.Second
	tailLines   = 40
)

// Binary returns the path of a built program, in $PBSMFLOW_BIN or the repository's bin.
func Binary(name string) (string, error) {
	dir := os.Getenv("PBSMFLOW_BIN")
	if dir == "" {
		_, dir = repository()
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is missing: run `make build` first", path)
	}
	return path, nil
}

// Process is a started program. Its output goes to files named after it.
type Process struct {
	Name   string
	Stdout string // paths of its output
	Stderr string

	cmd  *exec.Cmd
	done chan struct{} // closed once it has ended
}

// start runs a built program in dir. Its environment is env, and nothing of this process'.
func start(dir, name string, env []string, binary string, args ...string) (*Process, error) {
	path, err := Binary(binary)
	if err != nil {
		return nil, err
	}
	return startAs(nil, dir, name, env, path, args...)
}

// startAs runs any program, as owner unless that is nil.
func startAs(owner *syscall.Credential, dir, name string, env []string, path string, args ...string) (*Process, error) {
	p := &Process{Name: name, Stdout: filepath.Join(dir, name+".out"), Stderr: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	stdout, err := os.Create(p.Stdout)
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	stderr, err := os.Create(p.Stderr)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	p.cmd = exec.Command(path, args...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = dir, env, stdout, stderr
	p.cmd.SysProcAttr = dieWithParent()
	if owner != nil {
		p.cmd.SysProcAttr.Credential, p.cmd.Dir = owner, "/" // another user may not enter dir
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// ready waits until found accepts what the process has written to the file so far.
func (p *Process) ready(file string, found func(text []byte) bool) error {
	deadline := time.After(readyWithin)
	for {
		text, err := os.ReadFile(file)
		if err == nil && found(text) {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended with exit code %d before it was ready:\n%s", p.Name, p.cmd.ProcessState.ExitCode(), p.Tail())
		case <-deadline:
			return fmt.Errorf("%s was not ready within %s:\n%s", p.Name, readyWithin, p.Tail())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Signal sends a signal to the process.
func (p *Process) Signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Wait waits for the end and returns the exit code; -1 if a signal killed the process.
func (p *Process) Wait(ctx context.Context) (int, error) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("%s has not ended: %w\n%s", p.Name, ctx.Err(), p.Tail())
	}
}

// Stop ends the process, with SIGTERM and if necessary SIGKILL. It returns the exit code.
func (p *Process) Stop() int {
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopWithin):
		p.Kill()
	}
	return p.cmd.ProcessState.ExitCode()
}

// Kill ends the process like a power failure, and waits for its end.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Tail returns the last lines that the process logged.
func (p *Process) Tail() string {
	text, _ := os.ReadFile(p.Stderr)
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return strings.Join(lines, "\n")
}

// Result is the outcome of a command.
type Result struct {
	Code   int
	Stdout string
	Stderr string
}

func (r Result) String() string {
	return fmt.Sprintf("exit code %d\nstdout:\n%s\nstderr:\n%s", r.Code, r.Stdout, r.Stderr)
}

// run executes a built program and waits for its end.
func run(ctx context.Context, dir string, env []string, binary string, args ...string) (Result, error) {
	path, err := Binary(binary)
	if err != nil {
		return Result{}, err
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Args[0] = binary // as a shell calls what is in the path
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &stdout, &stderr
	cmd.SysProcAttr = dieWithParent()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWithin
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return Result{}, fmt.Errorf("%s %s: %w", binary, strings.Join(args, " "), err)
	}
	return Result{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}, nil
}

// showOnFailure prints the end of a process' log if the test failed.
func showOnFailure(t testing.TB, p *Process) {
	if t.Failed() {
		t.Logf("the end of %s:\n%s", p.Stderr, p.Tail())
	}
}
