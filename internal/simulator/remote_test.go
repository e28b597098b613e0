package simulator

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRemote_controls(t *testing.T) {
	h := start(t)
	ctx := t.Context()
	r, err := NewRemote(h.ControlURL(), h.CAPEM())
	require.NoError(t, err)
	t.Cleanup(r.client.CloseIdleConnections)

	h.upload("a.csv", "abc")
	id := h.trigger("PBSM_HELD")
	require.NoError(t, r.Advance(ctx, time.Hour))
	require.NoError(t, r.Operate(ctx, id, "release", "T2_CALCULATE"))
	require.ErrorContains(t, r.Operate(ctx, id, "release", "T1_LOAD"), "SUCCESSFUL")
	require.NoError(t, r.Operate(ctx, id, "interrupt", ""))
	require.ErrorContains(t, r.Operate(ctx, id, "interrupt", ""), "-7")
	require.NoError(t, r.Advance(ctx, time.Minute))
	runs, err := r.Runs(ctx)
	require.NoError(t, err)
	require.Equal(t, "INTERRUPTED", runs[0].Text)
	files, err := r.Files(ctx)
	require.NoError(t, err)
	require.True(t, files[0].Arrived)
	bytes, err := r.do(ctx, "GET", "/files/"+strconv.FormatInt(files[0].ID, 10)+"/bytes", nil)
	require.NoError(t, err)
	require.Equal(t, "abc", string(bytes))

	require.NoError(t, r.Inject(ctx, Fault{Call: "*", Kind: FaultStatus, Status: 500, Times: 1}, Fault{Call: "status", Kind: FaultDelayAfter, Delay: time.Millisecond}))
	require.Equal(t, time.Millisecond, h.faults.armed[1].Delay)
	require.Equal(t, 500, h.status(id).status)
	require.Equal(t, 200, h.status(id).status)
	require.Equal(t, FaultDelayAfter, h.last().Fault)
	require.NoError(t, r.ClearFaults(ctx))
	require.ErrorContains(t, r.Inject(ctx, Fault{Call: "*", Kind: "none"}), "none")
	require.ErrorContains(t, r.Inject(ctx, Fault{Call: "none", Kind: FaultStatus}), "none")
	_, err = r.do(ctx, "POST", "/faults", fields{"call": "*", "kind": "slow", "delay": "2s"})
	require.NoError(t, err, "one fault, its delay as text")
	require.Equal(t, 2*time.Second, h.faults.armed[0].Delay)
	require.NoError(t, r.ClearFaults(ctx))

	require.NoError(t, r.SetQuirks(ctx, CodesAsNumbers))
	require.EqualValues(t, -2, h.status(id).json["batchStatusCode"])
	require.ErrorContains(t, r.SetQuirks(ctx, "none"), "none")
	require.NoError(t, r.SetSpeed(ctx, 60))
	before := h.clock.Sim()
	h.tick(time.Minute)
	require.Equal(t, time.Hour, h.clock.Sim().Sub(before))
	require.ErrorContains(t, r.Advance(ctx, -time.Hour), "backwards")

	secrets, err := r.Secrets(ctx)
	require.NoError(t, err)
	require.Contains(t, secrets, h.token)
	journal, err := r.Journal(ctx, 0)
	require.NoError(t, err)
	require.Equal(t, h.Journal()[0].Call, journal[0].Call)
	rest, err := r.Journal(ctx, len(journal)-1)
	require.NoError(t, err)
	require.Len(t, rest, 1)

	require.NoError(t, r.ExpireTokens(ctx, true))
	require.Equal(t, 401, h.status(id).status)
	require.NoError(t, r.ExpirePARs(ctx))
	require.Equal(t, 403, h.send("GET", h.ControlURL()+"/secrets", "", nil).status, "the header is required")
}

func TestClock_realAndSimulated(t *testing.T) {
	now := time.Date(2026, 10, 31, 22, 0, 0, 0, time.UTC)
	begin := now
	c := newClock(func() time.Time { return now }, 60)
	now = now.Add(time.Second) // sim +60s
	c.SetSpeed(3600)
	now = now.Add(time.Second) // sim +1h01m
	c.Advance(24 * time.Hour)
	now = now.Add(time.Second)
	require.Equal(t, begin.Add(26*time.Hour+time.Minute), c.Sim())
	for sim, real := range map[time.Duration]time.Duration{
		30 * time.Second:              500 * time.Millisecond,
		31 * time.Minute:              1500 * time.Millisecond,
		10 * time.Hour:                2 * time.Second, // inside the jump
		25*time.Hour + 31*time.Minute: 2500 * time.Millisecond,
	} {
		require.Equal(t, begin.Add(real), c.Real(begin.Add(sim)), sim)
	}
}
