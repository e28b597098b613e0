package simulator

import (
	"encoding/json"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBatch_goesThroughItsTasks(t *testing.T) {
	h := start(t)
	id := h.trigger("PBSM_FAIL_ONCE")
	require.Regexp(t, regexp.MustCompile(`^PBSM_FAIL_ONCE_2026-10-31_\d{13}_1$`), id)
	steps := []struct {
		wait time.Duration
		want string
	}{
		{0, "1: 1 1 1"},
		{2 * time.Second, "2: 2 1 1"},
		{time.Minute, "2: 0 2 1"},
		{time.Minute, "-1: 0 -1 1"},
		{time.Hour, "-1: 0 -1 1"},
	}
	for _, s := range steps {
		h.Advance(s.wait)
		require.Equal(t, s.want, h.codes(id))
	}

	restart := h.about("restart", "PBSM_FAIL_ONCE", id)
	require.Equal(t, id, restart.text("batchRunId"))
	h.Advance(2 * time.Second)
	require.Equal(t, "2: 0 2 1", h.codes(id), "a restart continues from the failed task")
	h.Advance(2 * time.Minute)
	require.Equal(t, "0: 0 0 0", h.codes(id))
	run, ok := h.Run(id)
	require.True(t, ok)
	require.Equal(t, []RunTask{{"T1_LOAD", 0, 1}, {"T2_CALCULATE", 0, 2}, {"T3_PUBLISH", 0, 1}}, run.Tasks)
	require.Equal(t, 2, run.Starts)
}

func TestTrigger_twiceMakesTwoRuns(t *testing.T) {
	h := start(t)
	require.NotEqual(t, h.trigger("PBSM_QUICK"), h.trigger("PBSM_QUICK"))
	require.Len(t, h.Runs(), 2)
}

func TestRun_commands(t *testing.T) {
	type step struct {
		do   string        // what is called: interrupt, rerun, restart, release, hold
		wait time.Duration // simulated, after it
		code string        // answered to do
		want string        // status after the wait
	}
	cases := []struct {
		name, batch string
		steps       []step
	}{
		{"aborted, then restarted", "PBSM_ABORT", []step{
			{"", time.Hour, "", "3: 0 3 1"}, {"restart", 2 * time.Second, "0", "2: 0 2 1"},
		}},
		{"fails every time", "PBSM_FAIL", []step{
			{"", time.Hour, "", "-1: 0 -1 1"}, {"restart", time.Hour, "0", "-1: 0 -1 1"}, {"interrupt", 0, "-8", "-1: 0 -1 1"},
		}},
		{"held until released", "PBSM_HELD", []step{
			{"", 10 * time.Second, "", "2: 2 5 1"}, {"", time.Hour, "", "5: 0 5 1"}, {"release", time.Second, "", "2: 0 2 1"},
			{"", time.Hour, "", "0: 0 0 0"},
		}},
		{"interrupting takes a moment", "PBSM_HANG", []step{
			{"", time.Hour, "", "2: 0 2 1"}, {"interrupt", 0, "0", "2: 0 2 1"}, {"interrupt", 0, "-7", "2: 0 2 1"},
			{"", 5 * time.Second, "", "-2: 0 -2 1"}, {"interrupt", 0, "-7", "-2: 0 -2 1"}, {"restart", 2 * time.Second, "0", "2: 0 2 1"},
		}},
		{"held run interrupted", "PBSM_HELD", []step{
			{"", time.Hour, "", "5: 0 5 1"}, {"interrupt", 5 * time.Second, "0", "-2: 0 5 1"},
		}},
		{"ends before the interrupt takes effect", "PBSM_QUICK", []step{
			{"interrupt", 5 * time.Second, "0", "0: 0 0 0"}, {"interrupt", 0, "-8", "0: 0 0 0"},
		}},
		{"interrupted while it waits", "PBSM_LONG", []step{
			{"interrupt", time.Second, "0", "1: 1 1 1 1"}, {"", time.Hour, "", "-2: -2 1 1 1"},
		}},
		{"nothing to restart", "PBSM_SHORT", []step{
			{"restart", 0, "-6", "1: 1 1 1 1"}, {"rerun", time.Minute, "-6", "2: 2 1 1 1"}, {"restart", time.Hour, "-6", "0: 0 0 0 0"},
		}},
		{"in parallel", "PBSM_PROD_PROFIT", []step{
			{"", 3 * time.Minute, "", "2: 0 2 2 1"}, {"", 150 * time.Second, "", "2: 0 0 2 1"}, {"", time.Hour, "", "0: 0 0 0 0"},
		}},
		{"held by an operator", "PBSM_ABORT", []step{
			{"hold", time.Hour, "", "5: 0 5 1"},
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := start(t)
			id := h.trigger(c.batch)
			for i, s := range c.steps {
				switch s.do {
				case "":
				case "hold", "release":
					require.NoError(t, h.Operate(id, s.do, "T2_CALCULATE"))
				default:
					require.Equal(t, s.code, h.about(s.do, c.batch, id).text("statusCode"), "step %d", i)
				}
				h.Advance(s.wait)
				require.Equal(t, s.want, h.codes(id), "step %d", i)
			}
		})
	}
}

func TestRerun_startsFromTheFirstTask(t *testing.T) {
	for _, same := range []bool{false, true} {
		var on []Quirk
		if same {
			on = []Quirk{RerunSameID}
		}
		h := start(t, quirks(on...))
		first := h.trigger("PBSM_FAIL_ONCE")
		h.Advance(time.Hour)
		h.Advance(time.Second)
		again := h.about("rerun", "PBSM_FAIL_ONCE", first).text("batchRunId")
		require.Equal(t, same, first == again)
		h.Advance(10 * time.Second)
		require.Equal(t, "2: 2 1 1", h.codes(again))
		h.Advance(time.Hour)
		require.Equal(t, "0: 0 0 0", h.codes(again), "what failed once does not fail again")
		if !same {
			require.Equal(t, "-1: 0 -1 1", h.codes(first))
		}
	}
}

func TestRestart_underANewID(t *testing.T) {
	h := start(t, quirks(RestartNewID))
	first := h.trigger("PBSM_FAIL_ONCE")
	h.Advance(time.Hour)
	again := h.about("restart", "PBSM_FAIL_ONCE", first).text("batchRunId")
	require.NotEqual(t, first, again)
	h.Advance(10 * time.Second)
	require.Equal(t, "2: 0 2 1", h.codes(again))
	require.Equal(t, "-1: 0 -1 1", h.codes(first))

	group := h.triggerGroup("PBSM_FAIL_ONCE_GRP")
	h.Advance(time.Hour)
	require.Equal(t, "-1: 0 -1", h.codes(group))
	next := h.about("restart", "PBSM_FAIL_ONCE_GRP", group).text("batchRunId")
	require.NotEqual(t, group, next)
	h.Advance(10 * time.Second)
	require.Equal(t, "2: 0 2", h.codes(next))
	h.Advance(time.Hour)
	require.Equal(t, "0: 0 0", h.codes(next))
}

func TestGroup_runsItsBatches(t *testing.T) {
	h := start(t)
	id := h.triggerGroup("PBSM_PROFIT_GRP")
	require.Equal(t, "1: 1 1", h.codes(id))
	h.Advance(10 * time.Second)
	require.Equal(t, "2: 2 1", h.codes(id))
	h.Advance(6 * time.Minute)
	require.Equal(t, "2: 0 2", h.codes(id))
	h.Advance(7*time.Minute + 4*time.Second)
	require.Equal(t, "0: 0 0", h.codes(id))
	run, _ := h.Run(id)
	require.Equal(t, 13*time.Minute+4*time.Second, run.Duration)

	parallel := h.triggerGroup("PBSM_PARALLEL_GRP")
	h.Advance(time.Minute)
	require.Equal(t, "2: 2 2", h.codes(parallel))
	require.Equal(t, "0", h.about("interrupt", "PBSM_PARALLEL_GRP", parallel).text("statusCode"))
	h.Advance(5 * time.Second)
	require.Equal(t, "-2: -2 -2", h.codes(parallel))
	require.Equal(t, "0", h.about("restart", "PBSM_PARALLEL_GRP", parallel).text("statusCode"))
	h.Advance(time.Hour)
	require.Equal(t, "0: 0 0", h.codes(parallel))

	queued := h.triggerGroup("PBSM_FAIL_ONCE_GRP")
	h.Advance(time.Hour)
	require.Equal(t, "-1: 0 -1", h.codes(queued))
	run, _ = h.Run(queued)
	require.Equal(t, "-1: 0 -1 1", h.codes(run.Children[1]), "children are runs like others")
	require.Equal(t, "0", h.about("restart", "PBSM_FAIL_ONCE", run.Children[1]).text("statusCode"))
	h.Advance(time.Hour)
	require.Equal(t, "0: 0 0", h.codes(queued))
	again := h.about("rerun", "PBSM_FAIL_ONCE_GRP", queued).text("batchRunId")
	require.NotEqual(t, queued, again)
	h.Advance(time.Hour)
	require.Equal(t, "0: 0 0", h.codes(again))
}

func TestGroup_stopsAtAFailedBatch(t *testing.T) {
	for parallel, want := range map[bool]string{false: "-1: -1 1", true: "-1: -1 0"} {
		h := start(t, func(o *Options) {
			o.Catalog = Catalog{
				Batches: []Batch{{Code: "BAD", Tasks: []Task{{Code: "T", FailTimes: 1}}}, {Code: "GOOD", Tasks: []Task{{Code: "T"}}}},
				Groups:  []Group{{Code: "GRP", Batches: []string{"BAD", "GOOD"}, Parallel: parallel}},
			}
		})
		id := h.triggerGroup("GRP")
		h.Advance(time.Second)
		require.Equal(t, want, h.codes(id))
		require.Equal(t, "0", h.about("restart", "GRP", id).text("statusCode"))
		require.Equal(t, "0: 0 0", h.codes(id))
	}
}

func TestTrigger_refusals(t *testing.T) {
	date := `{"batchParams":{"$FICMISDATE$":"2026-10-31"}}`
	cases := []struct {
		name, body string
		quirk      []Quirk
		want       string
	}{
		{"batch", `{"batchName":"PBSM_QUICK","batchType":"rest","dynamicParamList":` + date + `}`, nil, "0"},
		{"no parameters", `{"batchName":"PBSM_QUICK","batchType":"rest"}`, nil, "0"},
		{"trailing comma of the document's sample", `{"batchName":"PBSM_QUICK","batchType":"rest",}`, nil, "-4"},
		{"no name", `{"batchType":"rest"}`, nil, "-4"},
		{"no type", `{"batchName":"PBSM_QUICK"}`, nil, "-4"},
		{"unknown batch", `{"batchName":"NONE","batchType":"rest"}`, nil, "-3"},
		{"a batch is no group", `{"batchName":"PBSM_QUICK","batchType":"group"}`, nil, "-3"},
		{"a group is no batch", `{"batchName":"PBSM_PROFIT_GRP","batchType":"rest"}`, nil, "-3"},
		{"no tasks", `{"batchName":"PBSM_EMPTY","batchType":"rest"}`, nil, "-6"},
		{"all excluded", `{"batchName":"PBSM_QUICK","batchType":"rest","excludedTasks":"T1_LOAD,T2_CALCULATE,T3_PUBLISH"}`, nil, "-6"},
		{"unknown task", `{"batchName":"PBSM_QUICK","batchType":"rest","heldTasks":["T9"]}`, nil, "-4"},
		{"date", `{"batchName":"PBSM_QUICK","batchType":"rest","dynamicParamList":{"batchParams":{"$FICMISDATE$":"31-10-2026"}}}`, nil, "-4"},
		{"array for a batch", `{"batchName":"PBSM_QUICK","batchType":"rest","dynamicParamList":[` + date + `]}`, nil, "-4"},
		{"object for a group", `{"batchName":"PBSM_PROFIT_GRP","batchType":"group","dynamicParamList":` + date + `}`, nil, "-4"},
		{"array for a group", `{"batchName":"PBSM_PROFIT_GRP","batchType":"group","dynamicParamList":[{"batchName":"PBSM_CUST_PROFIT","batchParams":{"$FICMISDATE$":"2026-10-31"}}]}`, nil, "0"},
		{"batch outside the group", `{"batchName":"PBSM_PROFIT_GRP","batchType":"group","dynamicParamList":[{"batchName":"PBSM_QUICK","batchParams":{}}]}`, nil, "-4"},
		{"tasks in an array", `{"batchName":"PBSM_QUICK","batchType":"rest","excludedTasks":["T1_LOAD"]}`, nil, "-4"},
		{"tasks in a string", `{"batchName":"PBSM_QUICK","batchType":"rest","excludedTasks":"T1_LOAD"}`, []Quirk{TaskArrays}, "-4"},
		{"tasks in an array, as it must be", `{"batchName":"PBSM_QUICK","batchType":"rest","excludedTasks":["T1_LOAD"]}`, []Quirk{TaskArrays}, "0"},
		{"no tasks", `{"batchName":"PBSM_QUICK","batchType":"rest","excludedTasks":"","heldTasks":""}`, nil, "0"},
		{"parameters of a task", `{"batchName":"PBSM_QUICK","batchType":"rest","dynamicParamList":{"batchParams":{},"taskRuntimeParams":{"T1_LOAD":{"A":"7"}}}}`, nil, "-4"},
		{"parameters of a task, taken", `{"batchName":"PBSM_QUICK","batchType":"rest","dynamicParamList":{"batchParams":{},"taskRuntimeParams":{"T1_LOAD":{"A":"7"}}}}`, []Quirk{TaskParamsBatches}, "0"},
		{"a group's date is none", `{"batchName":"PBSM_PROFIT_GRP","batchType":"group","$FICMISDATE$":"31/10/2026"}`, []Quirk{GroupLevelDate}, "-4"},
		{"string unasked for", `{"batchName":"PBSM_QUICK","batchType":"rest","dynamicParamList":"{}"}`, nil, "-4"},
		{"string", `{"batchName":"PBSM_QUICK","batchType":"rest","dynamicParamList":"{\"batchParams\":{\"$FICMISDATE$\":\"2026-10-31\"}}"}`, []Quirk{ParamsAsString}, "0"},
		{"object where a string is wanted", `{"batchName":"PBSM_QUICK","batchType":"rest","dynamicParamList":` + date + `}`, []Quirk{ParamsAsString}, "-4"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := start(t, quirks(c.quirk...))
			a := h.scheduler("trigger", c.body)
			require.Equal(t, c.want, a.text("statusCode"), string(a.body))
			require.Equal(t, c.want == "0", h.last().Processed)
			if c.want == "0" {
				require.Equal(t, 200, a.status)
				require.Equal(t, "2026-10-31", h.Runs()[0].AsOf)
			} else {
				require.Equal(t, 400, a.status)
				require.Empty(t, h.Runs())
			}
		})
	}
}

func TestTrigger_includedExcludedHeldTasks(t *testing.T) {
	h := start(t)
	trigger := func(extra string) string {
		return h.scheduler("trigger", `{"batchName":"PBSM_QUICK","batchType":"rest",`+extra+`}`).text("batchRunId")
	}
	excluded := trigger(`"excludedTasks":"T2_CALCULATE"`)
	included := trigger(`"includedTasks":"T3_PUBLISH"`)
	held := trigger(`"heldTasks":"T1_LOAD"`)
	h.Advance(time.Hour)
	require.Equal(t, "0: 0 4 0", h.codes(excluded))
	require.Equal(t, "0: 4 4 0", h.codes(included))
	require.Equal(t, "5: 5 1 1", h.codes(held))
	a := h.scheduler("status", `{"batchRunId":"`+excluded+`","tasks":["T2_CALCULATE"]}`)
	require.Len(t, a.json["taskStatusList"], 1)
}

// A group's date reaches the members that have none of their own, on a tenant that takes it; elsewhere they run for
// today.
func TestTrigger_groupDate(t *testing.T) {
	for name, tt := range map[string]struct {
		quirks []Quirk
		want   []string
	}{
		"taken":   {[]Quirk{GroupLevelDate}, []string{"2026-10-30", "2026-09-30", "2026-10-30"}},
		"ignored": {nil, []string{"2026-09-30", "2026-09-30", "2026-10-31"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, quirks(tt.quirks...))
			a := h.scheduler("trigger", `{"batchName":"PBSM_PROFIT_GRP","batchType":"group","$FICMISDATE$":"2026-10-30",
				"dynamicParamList":[{"batchName":"PBSM_CUST_PROFIT","batchParams":{"$FICMISDATE$":"2026-09-30"}}]}`)
			require.Equal(t, "0", a.text("statusCode"), string(a.body))
			var dates []string
			for _, run := range h.Runs() {
				dates = append(dates, run.AsOf)
			}
			require.Equal(t, tt.want, dates)
		})
	}
}

func TestStatus_tasksAsString(t *testing.T) {
	h := start(t, quirks(StatusTasksString))
	id := h.trigger("PBSM_QUICK")
	require.Len(t, h.scheduler("status", `{"batchRunId":"`+id+`","tasks":"T1_LOAD,T2_CALCULATE"}`).json["taskStatusList"], 2)
	require.Equal(t, "-4", h.scheduler("status", `{"batchRunId":"`+id+`","tasks":["T1_LOAD"]}`).text("statusCode"))
}

func TestRun_refusals(t *testing.T) {
	h := start(t)
	id := h.trigger("PBSM_QUICK")
	cases := []struct{ action, body, want string }{
		{"status", `{}`, "-4"},
		{"status", `{"batchRunId":"` + id + `",}`, "-4"},
		{"status", `{"batchRunId":"NONE"}`, "-3"},
		{"status", `{"batchRunId":"` + id + `","tasks":["NONE"]}`, "-3"},
		{"interrupt", `{"batchRunId":"` + id + `"}`, "-4"},
		{"interrupt", `{"batchName":"PBSM_LONG","batchRunId":"` + id + `"}`, "-4"},
		{"restart", `{"batchName":"PBSM_QUICK"}`, "-4"},
		{"rerun", `{"batchName":"PBSM_QUICK","batchRunId":"NONE"}`, "-3"},
	}
	for _, c := range cases {
		a := h.scheduler(c.action, c.body)
		require.Equal(t, c.want, a.text("statusCode"), c.action+" "+c.body)
		require.Equal(t, "failed", a.text("status"))
	}
}

func TestScheduler_quirks(t *testing.T) {
	t.Run("codes as numbers", func(t *testing.T) {
		h := start(t, quirks(CodesAsNumbers))
		a := h.status(h.trigger("PBSM_QUICK"))
		require.EqualValues(t, 1, a.json["batchStatusCode"])
		require.EqualValues(t, 0, a.json["statusCode"])
	})
	t.Run("text noise", func(t *testing.T) {
		h := start(t, quirks(TextNoise))
		id := h.trigger("PBSM_LONG")
		h.Advance(time.Minute)
		require.Equal(t, "Successful so far", h.status(id).text("batchStatus"))
	})
	t.Run("unknown code", func(t *testing.T) {
		h := start(t, quirks(UnknownCode))
		id := h.trigger("PBSM_QUICK")
		got := ""
		for range 4 {
			got += h.status(id).text("batchStatusCode")
		}
		require.Equal(t, "1171", got)
		h.Advance(time.Hour)
		h.status(id)
		require.Equal(t, "0", h.status(id).text("batchStatusCode"))
	})
	for quirk, status := range map[Quirk]int{SchedulerErrors200: 200, SchedulerErrors500: 500} {
		t.Run(string(quirk), func(t *testing.T) {
			h := start(t, quirks(quirk))
			require.Equal(t, status, h.status("NONE").status)
			require.False(t, h.last().Processed)
			a := h.call("POST", "/SchedulerService/rest-api/v1/external/status", `{}`, "ofs_service_id", "")
			require.Equal(t, status, a.status)
			require.Equal(t, "-5", a.text("statusCode"))
		})
	}
	t.Run("202", func(t *testing.T) {
		h := start(t, quirks(CreatedStatuses))
		require.Equal(t, 202, h.scheduler("trigger", `{"batchName":"PBSM_QUICK","batchType":"rest"}`).status)
	})
}

func TestStatus_bodyMatchesTheDocument(t *testing.T) {
	h := start(t)
	id := h.trigger("PBSM_FAIL")
	h.Advance(time.Hour)
	var want any
	require.NoError(t, json.Unmarshal([]byte(`{
		"severity": "info", "batchRunId": "`+id+`",
		"taskStatusList": [
			{"taskCode": "T1_LOAD", "taskStatus": "SUCCESSFUL", "statusCode": "0"},
			{"taskCode": "T2_CALCULATE", "taskStatus": "FAILED", "statusCode": "-1"},
			{"taskCode": "T3_PUBLISH", "taskStatus": "NOT STARTED", "statusCode": "1"}],
		"batchStatusCode": "-1", "batchList": [], "batchStatus": "FAILED", "status": "success", "statusCode": "0"}`), &want))
	require.Equal(t, want, any(h.status(id).json))
}
