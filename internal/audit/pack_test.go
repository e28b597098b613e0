package audit

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// large is the record of a close with as many batches, each of which failed once and was restarted by an operator.
func large(steps int) Record {
	r := Record{Execution: "run-1", Events: []Event{{At: start, Event: CloseStarted}}}
	for i := range steps {
		step, run := fmt.Sprintf("step_%04d", i), fmt.Sprintf("PBSM_ALLOC_%04d_2026-10-31_%d_1", i, 1793500000000+i*37)
		sum := fmt.Sprintf("%x", sha256.Sum256([]byte(step)))
		at := start.Add(time.Duration(i) * 1234567 * time.Microsecond)
		sent := &Sent{Code: "PBSM_ALLOC", Params: map[string]string{"$FICMISDATE$": "2026-10-31", "$RUNSK$": fmt.Sprint(i)}}
		for _, e := range []Event{
			{Event: StepStarted, What: "PBSM_ALLOC", Work: map[string]string{"code": "PBSM_ALLOC", "params.$RUNSK$": fmt.Sprint(i)}},
			{Event: Submitted, What: "trigger submitted", Sent: sent},
			{Event: Call, What: "trigger accepted as " + run, Sender: Sender{Version: "1.2.3", Service: "https://tenant.example/pbsm", RemoteUser: "BATCH"}},
			{Event: RunFailed, What: run + " ended as Failed at T2", Tasks: []Task{{Code: "T2", StatusCode: "-1", Status: "ORA-01555: snapshot too old"}}},
			{Event: Asked, What: run + " ended as Failed at T2", Choices: []string{"restart", "rerun", "decide retry", "decide give_up"}},
			{Event: Answered, What: step + ": restart", By: "bob", Why: "space was added", Since: at},
			{Event: Submitted, What: "restart submitted", By: "bob", Why: "space was added", Sent: &Sent{Code: "PBSM_ALLOC", RunID: run}},
			{Event: Call, What: "restart accepted as " + run, By: "bob", Why: "space was added"},
			{Event: RunEnded, What: "PBSM_ALLOC", Outcome: "succeeded", RunIDs: []string{run}, StatusCode: "0", Status: "Successful"},
			{Event: StepEnded, What: run, Outcome: "succeeded", Result: "run " + run, BasedOn: "ledger SHA-256 " + sum},
		} {
			at = at.Add(1234567 * time.Nanosecond)
			e.At, e.Step, e.Kind, e.WorkflowID = at, step, "batch", "batch/prod/PBSM_ALLOC/2026-10-31/"+step
			r.Events = append(r.Events, e)
		}
	}
	return r
}

// inTemporal is how many bytes a record has as the input of an activity.
func inTemporal(t *testing.T, s Sized) int {
	t.Helper()
	text, err := json.Marshal(s)
	require.NoError(t, err)
	return len(text)
}

func TestSize_smallStaysReadable(t *testing.T) {
	r := night("run-1")
	sized, err := Size(r)
	require.NoError(t, err)
	require.Equal(t, &r, sized.Record)
	require.Empty(t, sized.Packed)
	back, err := sized.Unpack()
	require.NoError(t, err)
	require.Equal(t, r, back)
}

// A close has at most 1,000 steps.
func TestSize_thousandSteps(t *testing.T) {
	r := large(1000)
	plain := inTemporal(t, Sized{Record: &r})
	began := time.Now()
	sized, err := Size(r)
	require.NoError(t, err)
	t.Logf("%d events: %d bytes, packed %d, in %s", len(r.Events), plain, inTemporal(t, sized), time.Since(began))
	require.Greater(t, plain, 2<<20, "or there is nothing to pack")
	require.Less(t, inTemporal(t, sized), 1<<20, "there is room for long texts")
	back, err := sized.Unpack()
	require.NoError(t, err)
	require.Len(t, back.Events, len(r.Events), "nothing is left out")
}

func TestSize_leavesOutWhatDoesNotFit(t *testing.T) {
	random := func(n, bytes int) string {
		var b strings.Builder
		for i := range bytes / 64 {
			fmt.Fprintf(&b, "%x", sha256.Sum256(fmt.Appendf(nil, "%d %d", n, i)))
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		grow func(i int, e *Event)
		want []string
	}{
		"definitions": {func(i int, e *Event) { e.Work = map[string]string{"filter": random(i, 2048)} }, []string{"the definitions of the steps"}},
		"texts":       {func(i int, e *Event) { e.What = random(i, 4096) }, []string{"the definitions of the steps", "failed tasks, and totals of files", "the ends of long texts"}},
		"everything":  {func(i int, e *Event) { e.Choices = []string{random(i, 4096)} }, []string{"what was submitted", "events"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := large(400)
			for i := range r.Events {
				c.grow(i, &r.Events[i])
			}
			before := slices.Clone(r.Events)
			began := time.Now()
			sized, err := Size(r)
			require.NoError(t, err)
			t.Logf("in %s", time.Since(began))
			require.Equal(t, before, r.Events, "the caller's record is as it was")
			require.Less(t, inTemporal(t, sized), 2<<20-64<<10)
			back, err := sized.Unpack()
			require.NoError(t, err)
			var notes string
			for _, e := range back.Events {
				if e.Event == Noted {
					notes += e.What + "\n"
				}
			}
			for _, want := range c.want {
				assert.Contains(t, notes, want)
			}
			if name == "definitions" {
				assert.Len(t, back.Events, len(r.Events)+1)
				assert.NotContains(t, notes, "tasks")
				assert.NotNil(t, back.Events[2].Sent, "no more is left out than must be")
			}
		})
	}
}

func TestSize_clipsLongTexts(t *testing.T) {
	sized, err := Size(Record{Events: []Event{{Why: strings.Repeat("é", 1<<20)}}})
	require.NoError(t, err)
	require.Less(t, inTemporal(t, sized), 20<<10)
	require.Contains(t, sized.Record.Events[0].Why, "é ... (2080768 bytes more)")
}

func FuzzUnpack(f *testing.F) {
	text, err := json.Marshal(large(2))
	require.NoError(f, err)
	f.Add(pack(text))
	f.Add([]byte("not gzip"))
	f.Add(pack(text)[:100])
	f.Fuzz(func(t *testing.T, packed []byte) {
		r, err := Sized{Packed: packed}.Unpack()
		if err != nil {
			return
		}
		sized, err := Size(r)
		require.NoError(t, err)
		_, err = sized.Unpack()
		require.NoError(t, err)
	})
}
