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
	"syscall"
	"time"
)

// stopTimeout is how long a process has after SIGTERM before it is killed.
const stopTimeout = 10 * time.Second

// processes are the programs of a demo. They end with it, however it ends.
type processes struct {
	logs    string      // folder
	failed  func(error) // gets the error of a program that ended unexpectedly
	running []*process
}

type process struct {
	name  string
	log   string // path
	first chan []byte
	done  chan struct{} // closed when it has ended
	stop  context.CancelFunc
}

// start runs a program. Its stderr, and its stdout from the second line on, go to a log file. It must be called
// from a goroutine that is locked to its thread: the program dies with that thread.
func (p *processes) start(path string, env []string, args ...string) (*process, error) {
	name := filepath.Base(path)
	log, err := os.Create(filepath.Join(p.logs, name+".log"))
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	one := &process{name: name, log: log.Name(), first: make(chan []byte, 1), done: make(chan struct{}), stop: stop}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Stderr, cmd.SysProcAttr = env, log, childAttributes()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		stop()
		_ = log.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.running = append(p.running, one)
	go func() {
		lines := bufio.NewReader(stdout)
		line, _ := lines.ReadBytes('\n')
		one.first <- line
		_, _ = io.Copy(log, lines)
		err := cmd.Wait()
		_ = log.Close()
		close(one.done)
		if err == nil {
			err = errors.New("exit status 0")
		}
		if ctx.Err() == nil {
			p.failed(fmt.Errorf("%s ended unexpectedly: %w; its log is %s", name, err, one.log))
		}
	}()
	return one, nil
}

// ready decodes the line of JSON that a program prints when it is ready.
func (one *process) ready(ctx context.Context, into any) error {
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
	case <-time.After(readyTimeout):
		return fmt.Errorf("%s was not ready within %s:\n%s", one.name, readyTimeout, tail(one.log, 10))
	}
}

// stop ends all programs, the last one first.
func (p *processes) stop() {
	for _, one := range slices.Backward(p.running) {
		one.stop()
		<-one.done
	}
}

// tails returns the last lines of every log in the folder.
func tails(logs string, lines int) string {
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
