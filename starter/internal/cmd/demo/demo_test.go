package demo

import (
	"bytes"
	"context"
	"encoding/csv"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var lastNight = time.Date(2026, 10, 30, 0, 0, 0, 0, time.UTC)

func TestLastBusinessDay(t *testing.T) {
	for now, want := range map[string]string{
		"2026-11-03": "2026-11-02", // Tuesday
		"2026-11-02": "2026-10-30", // Monday
		"2026-11-01": "2026-10-30", // Sunday
		"2026-10-31": "2026-10-30",
		"2027-01-01": "2026-12-31",
	} {
		day, err := time.Parse(time.DateOnly, now)
		require.NoError(t, err)
		late := time.Date(day.Year(), day.Month(), day.Day(), 23, 59, 0, 0, time.FixedZone("here", -5*3600))
		assert.Equal(t, want, lastBusinessDay(late).Format(time.DateOnly), now)
	}
}

func TestWriteInputs_sizeAndShape(t *testing.T) {
	assert.GreaterOrEqual(t, ledgerRows, 200_000)
	folder := t.TempDir()
	require.NoError(t, writeInputs(folder, lastNight))
	decimal := regexp.MustCompile(`^-?\d+\.\d\d$`)
	for _, file := range []struct {
		name    string
		rows    int
		decimal []int
	}{
		{"gl_2026-10-30.csv", ledgerRows, []int{7, 8}},
		{"instruments_2026-10-30.csv", instrumentRows, []int{8, 9}},
	} {
		text, err := os.ReadFile(filepath.Join(folder, file.name))
		require.NoError(t, err)
		records, err := csv.NewReader(bytes.NewReader(text)).ReadAll() // every record has as many fields as the header
		require.NoError(t, err)
		require.Len(t, records, file.rows+1)
		for _, r := range records[1:] {
			require.Equal(t, "2026-10-30", r[0])
			for _, column := range file.decimal {
				require.Regexp(t, decimal, r[column])
			}
		}
		facts, err := inspect(filepath.Join(folder, file.name))
		require.NoError(t, err)
		assert.Equal(t, int64(file.rows), facts.Rows)
		assert.Equal(t, int64(len(text)), facts.Bytes)
	}
}

func TestWriteInputs_isDeterministic(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	require.NoError(t, writeInputs(one, lastNight))
	require.NoError(t, writeInputs(two, lastNight))
	for _, name := range []string{"gl_2026-10-30.csv", "instruments_2026-10-30.csv"} {
		a, err := inspect(filepath.Join(one, name))
		require.NoError(t, err)
		b, err := inspect(filepath.Join(two, name))
		require.NoError(t, err)
		assert.Equal(t, a, b)
	}
}

func TestInspect(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.csv")
	require.NoError(t, os.WriteFile(file, []byte("A,B\n1,\"two\nlines\"\n3,4"), 0o600))
	facts, err := inspect(file)
	require.NoError(t, err)
	assert.Equal(t, int64(2), facts.Rows)
	assert.Equal(t, int64(21), facts.Bytes)
	_, err = inspect(file + "x")
	assert.Error(t, err)
}

// newProcesses returns the processes of a test, and a channel of those that ended on their own.
func newProcesses(t *testing.T) (*processes, <-chan error) {
	t.Helper()
	ended := make(chan error, 1)
	p := &processes{logs: t.TempDir(), failed: func(err error) { ended <- err }}
	t.Cleanup(p.stop)
	return p, ended
}

// script runs a shell in place of a program.
func script(t *testing.T, p *processes, text string) *process {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	one, err := p.start("/bin/sh", os.Environ(), "-c", text)
	require.NoError(t, err)
	return one
}

func TestProcess_ready(t *testing.T) {
	p, ended := newProcesses(t)
	var ready struct{ Address string }
	one := script(t, p, `echo trouble >&2; printf '{"address":"here"}\nmore\n'; exec sleep 60`)
	require.NoError(t, one.ready(context.Background(), &ready))
	assert.Equal(t, "here", ready.Address)
	p.stop()
	<-one.done
	log := tails(p.logs, 5)
	assert.Contains(t, log, "more")
	assert.Contains(t, log, "trouble")
	select {
	case err := <-ended:
		t.Fatal("a program that was stopped counts as ended unexpectedly:", err)
	default:
	}
}

func TestProcesses_noticeAnUnexpectedEnd(t *testing.T) {
	p, ended := newProcesses(t)
	one := script(t, p, `echo "cannot listen" >&2; exit 3`)
	err := one.ready(context.Background(), &struct{}{})
	assert.ErrorContains(t, err, "cannot listen")
	assert.ErrorContains(t, <-ended, "exit status 3")
}

func TestReady_endsWithItsContext(t *testing.T) {
	p, _ := newProcesses(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	assert.ErrorIs(t, script(t, p, "exec sleep 60").ready(ctx, &struct{}{}), context.Canceled)
}

func TestTails_areShort(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "worker.log"), []byte(strings.Repeat("old\n", 100)+"new\n"), 0o600))
	text := tails(folder, 3)
	assert.Equal(t, 2, strings.Count(text, "old"))
	assert.Contains(t, text, "new")
}
