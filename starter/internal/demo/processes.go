package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopTimeout is how long a process has after SIGTERM before it is killed.
const stopTimeout = 10 * time.Second

// Processes are the programs of a demo. They end with it, however it ends.
type Processes struct {
	logs    string
	running []*Process
	ended   chan error
}

// NewProcesses writes the programs' logs to a folder.
func NewProcesses(logs string) *Processes {
	return &Processes{logs: logs, ended: make(chan error, 1)}
}

// Process is one of them.
type Process struct {
	name     string
	cmd      *exec.Cmd
	log      string // path
	first    chan []byte
	done     chan struct{}
	mu       sync.Mutex
	stopping bool
}

// Ended delivers the first process that ended on its own.
func (p *Processes) Ended() <-chan error { return p.ended }

// Start runs a program. Its stderr, and its stdout from the second line on, go to a log file. It must be called
// from a goroutine that is locked to its thread: the program dies with that thread.
func (p *Processes) Start(path string, env []string, args ...string) (*Process, error) {
	name := filepath.Base(path)
	log, err := os.Create(filepath.Join(p.logs, name+".log"))
	if err != nil {
		return nil, err
	}
	one := &Process{name: name, log: log.Name(), first: make(chan []byte, 1), done: make(chan struct{})}
	one.cmd = exec.Command(path, args...) //nolint:noctx // Stop ends it, and the end of its thread
	one.cmd.Env, one.cmd.Stderr = env, log
	one.cmd.SysProcAttr = childAttributes()
	stdout, err := one.cmd.StdoutPipe()
	if err == nil {
		err = one.cmd.Start()
	}
	if err != nil {
		_ = log.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.running = append(p.running, one)
	go p.wait(one, stdout, log)
	return one, nil
}

func (p *Processes) wait(one *Process, stdout io.Reader, log *os.File) {
	lines := bufio.NewReader(stdout)
	line, _ := lines.ReadBytes('\n')
	one.first <- line
	_, _ = io.Copy(log, lines)
	err := one.cmd.Wait()
	_ = log.Close()
	close(one.done)
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.stopping {
		return
	}
	if err == nil {
		err = errors.New("exit status 0")
	}
	select {
	case p.ended <- fmt.Errorf("%s ended unexpectedly: %w; its log is %s", one.name, err, one.log):
	default:
	}
}

// Ready decodes the line of JSON that a program prints when it is ready.
func (one *Process) Ready(ctx context.Context, within time.Duration, into any) error {
	select {
	case line := <-one.first:
		if len(bytes.TrimSpace(line)) == 0 {
			return fmt.Errorf("%s ended before it was ready:\n%s", one.name, tail(one.log, 10))
		}
		if err := json.Unmarshal(line, into); err != nil {
			return fmt.Errorf("%s printed %q instead of that it is ready", one.name, line)
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(within):
		return fmt.Errorf("%s was not ready within %s:\n%s", one.name, within, tail(one.log, 10))
	}
}

// Done is closed when the program has ended.
func (one *Process) Done() <-chan struct{} { return one.done }

// Stop ends all programs, the last one first.
func (p *Processes) Stop() {
	for _, one := range slices.Backward(p.running) {
		one.stop()
	}
	p.running = nil
}

func (one *Process) stop() {
	one.mu.Lock()
	one.stopping = true
	one.mu.Unlock()
	_ = one.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-one.done:
		return
	case <-time.After(stopTimeout):
	}
	_ = one.cmd.Process.Kill()
	<-one.done
}

// Tails returns the last lines of every log in the folder.
func Tails(logs string, lines int) string {
	files, _ := filepath.Glob(filepath.Join(logs, "*.log")) // the pattern is good
	var b strings.Builder
	for _, file := range files {
		fmt.Fprintf(&b, "--- %s\n%s\n", file, tail(file, lines))
	}
	return b.String()
}

func tail(file string, lines int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
