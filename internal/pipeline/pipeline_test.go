package pipeline

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

func date(t testing.TB, text string) Date {
	t.Helper()
	d, err := ParseDate(text)
	require.NoError(t, err)
	return d
}

func TestRender_exampleOfDeploy(t *testing.T) {
	text, err := os.ReadFile("../../deploy/pipelines/nightly-close.yaml")
	require.NoError(t, err)
	p, err := Parse(text)
	require.NoError(t, err)

	rendered, err := p.Render(date(t, "2026-10-31"), Vars{Connection: "prod"})
	require.NoError(t, err)

	kinds := map[string]Kind{}
	steps := map[string]Step{}
	for _, s := range rendered.Steps {
		kinds[s.ID], steps[s.ID] = s.Kind(), s
	}
	assert.Equal(t, map[string]Kind{
		"ledger": KindUpload, "instruments": KindUpload, "allocate": KindBatch, "profit": KindGroup,
		"profitability": KindReport, "balance-sheet": KindReport,
	}, kinds)
	assert.Equal(t, &Upload{File: "inbox/gl_2026-10-31.csv", Name: "gl_2026-10-31.csv", WaitUntil: "01:30"}, steps["ledger"].Upload)
	assert.Equal(t, &Batch{Code: "PBSM_ALLOC", Params: map[string]string{ParamAsOf: "2026-10-31"}, Restarts: 2,
		RestartDelay: Duration(time.Minute), Deadline: "05:00"}, steps["allocate"].Batch)
	assert.Equal(t, "05:00", steps["allocate"].Traits().Deadline)
	assert.Equal(t, map[string]string{ParamAsOf: "2026-10-31"}, steps["profit"].Group.Batches[1].Params)
	assert.Equal(t, "reports/2026-10-31/balance_sheet.csv", steps["balance-sheet"].Report.SaveTo)
	assert.Contains(t, p.Steps[0].Upload.File, "{{", "the definition itself stays as it was")
}

func TestRender_resultSurvivesJSON(t *testing.T) {
	p, err := Parse([]byte(everyKind))
	require.NoError(t, err)
	rendered, err := p.Render(date(t, "2026-02-28"), Vars{Connection: "prod"})
	require.NoError(t, err)

	text, err := json.Marshal(rendered)
	require.NoError(t, err)
	var back Pipeline
	require.NoError(t, json.Unmarshal(text, &back))
	rendered.rendered, rendered.expansions = rendering{}, nil
	assert.Equal(t, rendered, &back)
	again, err := Parse(text)
	require.NoError(t, err, "the JSON of a pipeline is a definition")
	again.places = nil
	assert.Equal(t, rendered, again)
}

const everyKind = `
name: every-kind
steps:
  - id: up
    upload:
      file: 'inbox/a/gl_{{.AsOf.Format "20060102"}}.csv'
      name: "gl_{{.AsOfDate}}.dat"
      mime_type: DAT
      prefix: night/
      stable_for: 30s
      marker: "inbox/gl_{{.AsOfDate}}.done"
      on_failure: skip
      expect: {manifest: "inbox/gl_{{.AsOfDate}}.json", bytes: 5000000000, rows: 0, totals: {BALANCE: "123.45"}, delimiter: ";"}
  - {id: ask, approve: {message: "Start {{.Pipeline}} on {{.Connection}}?", deadline: 90m}}
  - id: batch
    needs: [up, ask]
    batch: {code: B1, key: second, params: {X: 7, $FICMISDATE$: "{{.AsOf.PrevMonthEnd}}"}, included_tasks: [t1], excluded_tasks: [t2], held_tasks: [t1]}
  - {id: group, group: {code: G1, restart_delay: 90s, batches: [{code: M1}, {code: M2, params: {$FICMISDATE$: 2026-01-31}}]}}
  - {id: report, report: {code: R1, filter: "D = '{{.AsOfDate}}'", def_type: V, save_to: 'out/{{if eq .Connection "prod"}}p{{else}}t{{end}}.csv', expect: {min_rows: 1, max_rows: 9}}}
  - {id: by-name, download: {file: x.csv, save_to: out/x.csv}}
  - {id: by-id, download: {file_id: 9916, save_to: out/y.csv}}
  - {id: exp, export: {code: 101}}
  - {id: imp, import: {code: 0101, deadline: "23:59"}}
`

func TestRender_fillsInValuesAndDefaults(t *testing.T) {
	p, err := Parse([]byte(everyKind))
	require.NoError(t, err)
	rendered, err := p.Render(date(t, "2026-03-15"), Vars{Connection: "prod"})
	require.NoError(t, err)
	s := rendered.Steps
	assert.Equal(t, "inbox/a/gl_20260315.csv", s[0].Upload.File)
	assert.Equal(t, "gl_2026-03-15.dat", s[0].Upload.Name)
	assert.Equal(t, Duration(30*time.Second), s[0].Upload.StableFor)
	assert.Equal(t, "inbox/gl_2026-03-15.done", s[0].Upload.Marker)
	assert.Equal(t, SkipStep, s[0].Upload.OnFailure)
	assert.Equal(t, "inbox/gl_2026-03-15.json", s[0].Upload.Expect.Manifest)
	assert.EqualValues(t, 5_000_000_000, *s[0].Upload.Expect.Bytes)
	assert.EqualValues(t, 0, *s[0].Upload.Expect.Rows)
	assert.Equal(t, map[string]string{"BALANCE": "123.45"}, s[0].Upload.Expect.Totals)
	assert.EqualValues(t, 9, *s[4].Report.Expect.MaxRows)
	assert.Equal(t, "out/audit_every-kind_prod_2026-03-15.jsonl", rendered.Audit, "beside the first file that is saved")
	assert.Equal(t, "Start every-kind on prod?", s[1].Approve.Message)
	assert.Equal(t, map[string]string{"X": "7", ParamAsOf: "2026-02-28"}, s[2].Batch.Params, "what the step says wins")
	assert.Equal(t, "2026-03-15", s[3].Group.Batches[0].Params[ParamAsOf])
	assert.Equal(t, "2026-01-31", s[3].Group.Batches[1].Params[ParamAsOf])
	assert.Equal(t, Duration(90*time.Second), s[3].Group.RestartDelay)
	assert.Equal(t, "CSV", s[4].Report.Type)
	assert.Equal(t, "D = '2026-03-15'", s[4].Report.Filter)
	assert.Equal(t, "out/p.csv", s[4].Report.SaveTo)
	assert.Equal(t, "default", s[5].Download.Stripe)
	assert.Equal(t, "9916", s[6].Download.FileID)
	assert.Equal(t, "0101", s[8].Import.Code, "a code is a text, also when it looks like a number")
	assert.Equal(t, KindImport, s[8].Kind())
}

// Definitions also come as JSON from other languages.
func TestParse_escapesOfJSON(t *testing.T) {
	p, err := Parse([]byte("{\"name\": \"x\",\n\t\"steps\": [{\"id\": \"a\", \"approve\": {\"message\": \"" + `\ud83d\uDE00 \u00e9 \\/ \\ud83d \"in\/out\" {{\"\/\"}}` + "\"}}]}"))
	require.NoError(t, err)
	rendered, err := p.Render(date(t, "2026-10-31"), Vars{Connection: "prod"})
	require.NoError(t, err)
	assert.Equal(t, "\U0001F600 é \\/ \\ud83d \"in/out\" /", rendered.Steps[0].Approve.Message)
	_, err = Parse([]byte("{\"name\": \"x\",\n\"steps\": [{\"id\": \"a\", \"report\": {\"code\": \"\\ud83d\", \"save_to\": \"out\\/x\"}}]}"))
	assert.EqualError(t, err, "line 2: steps.a.report.code: \"\uFFFD\" must be letters, digits, \"_\", \".\" and \"-\", at most 128, a letter or digit first")
	yaml, err := Parse([]byte("name: x\nsteps: [{id: a, approve: {message: 'a\\/b'}}]"))
	require.NoError(t, err)
	assert.Equal(t, `a\/b`, yaml.Steps[0].Approve.Message)
}

// A row is the text of the steps (or of the whole definition, if it starts with "name:") and the problems
// that must be reported.
func TestParse_refusesInvalidDefinitions(t *testing.T) {
	deep := "{id: s, batch: {code: B, "
	tests := map[string]struct {
		text string
		want []string
	}{
		"empty": {"name:",
			[]string{"line 1: name: must be a text, not nothing", "steps: a pipeline needs at least one step"}},
		"not a mapping": {"name: x\nsteps: 7", []string{`line 2: steps: must be a list, not "7"`}},
		"yaml syntax":   {"name: x\nsteps: [", []string{"line 2: "}},
		"two documents": {"name: x\n---\nname: y", []string{"a definition is one document"}},
		"folder": {`- {id: a, upload: {file: inbox/x/, name: y, stable_for: 1s, wait_until: 1h, list_to: z}}`,
			[]string{"a.upload.name: is for a single file", "a.upload.stable_for: is for a single file", "a.upload.wait_until: needs a marker", `a.upload.list_to: "z" is not a file of a store`}},
		"no folder": {`- {id: a, upload: {file: inbox/x, list_to: inbox/z}}`,
			[]string{"a.upload.list_to: is for a folder"}},
		"same list": {"- {id: a, upload: {file: inbox/a/, list_to: out/l}}\n- {id: b, upload: {file: inbox/b/, list_to: out/l}}",
			[]string{"line 4: steps.b.upload.list_to: step a already saves to out/l"}},
		"same folder": {"- {id: a, upload: {file: inbox/a/, prefix: p}}\n- {id: b, upload: {file: inbox/a/}}",
			[]string{"line 4: steps.b.upload.list_to: step a already saves to inbox/a.sent.jsonl"}},
		"list and report": {"- {id: a, report: {code: R, save_to: out/l}}\n- {id: b, upload: {file: inbox/b/, list_to: out/l}}",
			[]string{"b.upload.list_to: step a already saves to out/l"}},
		"two slashes": {`- {id: a, upload: {file: inbox/x//}}`,
			[]string{"points outside its store or to a hidden file"}},
		"arrival": {`- {id: a, upload: {file: inbox/x, stable_for: -1s, marker: x, on_failure: later}}`,
			[]string{"a.upload.stable_for: must not be negative", `a.upload.marker: "x" is not a file of a store`, `a.upload.on_failure: "later" is not one of wait_for_operator, skip, fail`}},
		"expects": {`- {id: a, upload: {file: inbox/x, expect: {rows: -1, sha256: abc, manifest: ../x, totals: {A: 1e5}}}}`,
			[]string{"a.upload.expect.rows: must not be negative", `a.upload.expect.sha256: "abc" is not`, `a.upload.expect.totals.A: "1e5" is not a decimal`, "a.upload.expect.manifest: "}},
		"expects nothing": {`- {id: a, download: {file: x, save_to: out/x, expect: {}}}`,
			[]string{"a.download.expect: expects nothing"}},
		"rows of text": {`- {id: a, report: {code: R, save_to: out/x, expect: {rows: many}}}`,
			[]string{`a.report.expect.rows: must be a whole number, not "many"`}},
		"audit": {"name: x\naudit: nowhere\nsteps:\n- {id: a, report: {code: R, save_to: out/x}}",
			[]string{`line 2: audit: "nowhere" is not a file of a store`}},
		"audit elsewhere": {"name: x\naudit: out/x\nsteps:\n- {id: a, report: {code: R, save_to: out/x}}",
			[]string{"line 2: audit: step a already saves to out/x"}},
		"unknown key": {"- {id: a, batch: {code: B, cod: C}}",
			[]string{"line 3: steps.a.batch.cod: unknown key; known here: code, deadline"}},
		"key twice": {"- {id: a, batch: {code: B, code: C}}",
			[]string{"steps.a.batch.code: the key is given twice"}},
		"alias of itself": {"- {id: a, needs: &n [*n], export: {code: 1}}",
			[]string{"line 3: *n is a part of itself", "steps.a.needs[0]: must be a text, not a list"}},
		"merge": {"- {id: a, batch: {<<: 7, code: B}}",
			[]string{`line 3: << must be keys and values or a list of them, not "7"`}},
		"part of a number": {"- " + deep + "restarts: 2.5}}",
			[]string{`steps.s.batch.restarts: must be a whole number, not "2.5"`}},
		"not a number": {"- " + deep + "restarts: many}}",
			[]string{`steps.s.batch.restarts: must be a whole number, not "many"`}},
		"too many": {"- " + deep + "restarts: 101}}",
			[]string{"steps.s.batch.restarts: must be between 0 and 100"}},
		"bad delay":      {"- " + deep + "restart_delay: 5}}", []string{`"5" is not a duration`}},
		"negative delay": {"- " + deep + "restart_delay: -5s}}", []string{"must not be negative"}},
		"null parameter": {"- " + deep + "params: {X: }}}",
			[]string{"steps.s.batch.params.X: must be a text, not nothing"}},
		"bad name": {"name: Night Close\nsteps: [{id: a, export: {code: 1}}]",
			[]string{`line 1: name: "Night Close" is not a name`}},
		"bad zone": {"name: x\ntime_zone: Mars/Base\nsteps: [{id: a, export: {code: 1}}]",
			[]string{"line 2: time_zone: unknown time zone"}},
		"local zone": {"name: x\ntime_zone: Local\nsteps: [{id: a, export: {code: 1}}]",
			[]string{"may differ between workers"}},
		"no id":  {"- {export: {code: 1}}", []string{`steps[0].id: "" is not an id`}},
		"bad id": {"- {id: ../a, export: {code: 1}}", []string{`steps[0].id: "../a" is not an id`}},
		"id twice": {"- {id: a, export: {code: 1}}\n- {id: a, import: {code: 1}}",
			[]string{"line 4: steps.a.id: the id a is already used by step 1"}},
		"unknown need": {"- {id: a, needs: [b], export: {code: 1}}",
			[]string{`steps.a.needs[0]: there is no step "b"`}},
		"need twice": {"- {id: a, export: {code: 1}}\n- {id: b, needs: [a, a], export: {code: 2}}",
			[]string{"a is named twice"}},
		"needs itself": {"- {id: a, needs: [a], export: {code: 1}}", []string{"form a cycle: a needs a"}},
		"cycle": {"- {id: out, needs: [a], export: {code: 9}}\n- {id: a, needs: [b], export: {code: 1}}\n- {id: b, needs: [c], export: {code: 2}}\n- {id: c, needs: [a], export: {code: 3}}",
			[]string{"line 4: steps.a.needs: the steps form a cycle: a needs b needs c needs a"}},
		"no kind": {"- {id: a}",
			[]string{"steps.a: must have exactly one of approve, as_of_date, batch, delete, download, export, export_data, group, import, report, upload"}},
		"two kinds": {"- {id: a, export: {code: 1}, import: {code: 1}}",
			[]string{"steps.a: must have exactly one of"}},
		"empty kind": {"- {id: a, export: }", []string{"steps.a.export: must be keys and values, not nothing"}},
		"bad deadline": {"- " + deep + `deadline: "24:00"}}`,
			[]string{`steps.s.batch.deadline: "24:00" is neither`}},
		"past deadline": {"- " + deep + `deadline: "-5m"}}`, []string{"is not positive"}},
		"bad wait": {"- {id: a, upload: {file: i/f.csv, wait_until: soon}}",
			[]string{`steps.a.upload.wait_until: "soon" is neither`}},
		"template deadline": {"- " + deep + `deadline: "{{.AsOfDate}}"}}`, []string{"is neither"}},
		"bad code":          {"- {id: a, batch: {code: a/b}}", []string{`steps.a.batch.code: "a/b" must be letters`}},
		"bad key":           {"- " + deep + "key: a b}}", []string{`steps.s.batch.key: "a b" must be letters`}},
		"same run": {"- {id: a, batch: {code: B}}\n- {id: b, batch: {code: B}}",
			[]string{"line 4: steps.b.batch: runs B, as step a does"}},
		"same run as group": {"- {id: a, batch: {code: B, key: k}}\n- {id: b, group: {code: B, key: k, batches: [{code: M}]}}",
			[]string{"runs B, as step a does"}},
		"bad date": {"- " + deep + "params: {$FICMISDATE$: 31.10.2026}}}",
			[]string{`steps.s.batch.params.$FICMISDATE$: "31.10.2026" is not a date`}},
		"control character": {"- " + deep + `params: {X: "a\u0000b"}}}`,
			[]string{"params.X: contains control characters"}},
		"template in name": {"- " + deep + `params: {"{{.AsOf}}": x}}}`, []string{"is not a parameter name"}},
		"tasks": {"- " + deep + "included_tasks: [t, 'a b'], excluded_tasks: [t]}}",
			[]string{"included_tasks[1]:", "excluded_tasks[0]: the task t is also included"}},
		"run of a step that is none": {"- {id: a, export_data: {code: E, run_of: b, save_to: s/x/}}", []string{`run_of: there is no step "b"`}},
		"run of no batch": {"- {id: b, approve: {message: x}}\n- {id: a, needs: [b], export_data: {code: E, run_of: b, save_to: s/x/}}",
			[]string{"run_of: step b runs no batch"}},
		"run of a step that may still run": {"- {id: b, batch: {code: B}}\n- {id: a, export_data: {code: E, run_of: b, save_to: s/x/}}",
			[]string{"run_of: step b must be among those that this one needs"}},
		"data export to a file": {"- {id: b, batch: {code: B}}\n- {id: a, needs: [b], export_data: {code: E, run_of: b, save_to: s/x}}",
			[]string{`save_to: "s/x" is no folder`}},
		"nothing known of what was sent": {"- {id: a, delete: {older_than: 5w}}",
			[]string{`older_than: "5w" is not a number of days`, "record: is missing: the pipeline has no audit file"}},
		"code of a copy": {"- {id: a, export: {code: A.B, copy_of: C}}\n- {id: b, import: {code: X, overwrite: true}}",
			[]string{`"A.B" cannot be the code of a copy`, "overwrite: is for a copy"}},
		"date of an application": {"- {id: a, as_of_date: {date: x}}", []string{"as_of_date.app: is missing", `date: "x" is not a date`}},
		"parameters of tasks": {"- {id: a, batch: {code: B, task_params: {'a b': {X: '1'}, T: {' Y': '1'}}}}",
			[]string{`task_params.a b: "a b" must be`, `task_params.T. Y: " Y" is not a parameter name`}},
		"a service that is none": {"- {id: a, report: {code: R, save_to: s/a.csv, service_id: 'a b', app_id: 'c d'}}",
			[]string{"report.app_id:", "report.service_id:"}},
		"member twice": {"- {id: a, group: {code: G, batches: [{code: M}, {code: M}]}}",
			[]string{"batches[1].code: the batch M is listed twice"}},
		"no message": {"- {id: a, approve: {}}", []string{"steps.a.approve.message: is missing"}},
		"approved by nobody": {"- {id: a, approve: {message: x, by: [' '], of: 12, on_failure: skip}}", []string{
			"steps.a.approve.by[0]: is empty", "steps.a.approve.of: must be between 1 and 9", "steps.a.approve.on_failure: must not be skip"}},
		"not approved, and continued": {"- {id: a, approve: {message: x, on_failure: skip}}",
			[]string{"steps.a.approve.on_failure: must not be skip: what nobody has approved is not approved"}},
		"two of anybody": {"- {id: a, approve: {message: x, of: 2}}", []string{"steps.a.approve.of: needs by"}},
		"no save_to":     {"- {id: a, report: {code: R}}", []string{"steps.a.report.save_to: is missing"}},
		"not a reference": {"- {id: a, report: {code: R, save_to: /etc/passwd}}",
			[]string{"is not a file of a store"}},
		"points outside its store": {"- {id: a, report: {code: R, save_to: out/../../x}}",
			[]string{"points outside its store"}},
		"same file": {"- {id: a, report: {code: R, save_to: out/x}}\n- {id: b, download: {file: x, save_to: out/x}}",
			[]string{"steps.b.download.save_to: step a already saves to out/x"}},
		"no source": {"- {id: a, download: {save_to: out/x}}",
			[]string{"steps.a.download: must have exactly one of file, file_id and object"}},
		"two sources": {"- {id: a, download: {file: x, file_id: 1, save_to: out/x}}",
			[]string{"exactly one of file, file_id and object"}},
		"bad file id": {"- {id: a, download: {file_id: x1, save_to: out/x}}", []string{`"x1" is not a file id`}},
		"remote name": {"- {id: a, upload: {file: 'i/a file.csv'}}",
			[]string{`steps.a.upload.name: "a file.csv" is not a file name`}},
		"remote dots": {"- {id: a, download: {file: a..b, save_to: out/x}}", []string{`"a..b" is not a file name`}},
		"bad prefix":  {"- {id: a, upload: {file: i/a, prefix: a/../b}}", []string{`"a/../b" is not a prefix`}},
		"bad mime":    {"- {id: a, upload: {file: i/a, mime_type: 'a\nb'}}", []string{"steps.a.upload.mime_type:"}},
		"other mime": {"- {id: a, upload: {file: i/a.json, mime_type: application/json}}",
			[]string{`steps.a.upload.mime_type: "application/json" is not one of the types that the service takes: Text/CSV, Text/plain, DAT`}},
		"param names": {"- {id: a, batch: {code: B, params: {\" X\": x, \"Y\\nZ\": y}}}",
			[]string{`" X" is not a parameter`, `"Y\nZ" is not a parameter`}},

		"template syntax": {`- {id: a, upload: {file: "i/{{.AsOfDate"}}`,
			[]string{"steps.a.upload.file: template: unclosed action"}},
		"template value": {`- {id: a, upload: {file: "i/{{.Asof}}"}}`,
			[]string{"unknown value .Asof; known: .AsOf, .AsOfDate, .Connection, .Key, .Pipeline"}},
		"template method": {`- {id: a, upload: {file: "i/{{.AsOf.Today}}"}}`,
			[]string{".AsOf has no Today; it has AddDays"}},
		"template function": {`- {id: a, upload: {file: 'i/{{printf "%9999999d" 1}}'}}`,
			[]string{"the function printf is not available"}},
		"template range": {`- {id: a, upload: {file: "i/{{range 9}}x{{end}}"}}`,
			[]string{"{{range 9}}x{{end}} is not available"}},
		"template define": {`- {id: a, upload: {file: 'i/{{define "x"}}{{end}}'}}`,
			[]string{"define and block are not available"}},
		"template variable": {`- {id: a, upload: {file: "i/{{$x := 1}}"}}`, []string{"variables are not available"}},
		"template date": {`- {id: a, upload: {file: "i/{{.AsOf.AddDays 9999999}}"}}`,
			[]string{"the date is out of range"}},
		"rendered name": {`- {id: a, upload: {file: "i/x", name: '{{.AsOf.Format "2006 01"}}'}}`,
			[]string{`"2026 10" is not a file name`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := tt.text
			if !strings.HasPrefix(text, "name:") {
				text = "name: x\nsteps:\n" + text
			}
			p, err := Parse([]byte(text))
			require.Error(t, err)
			assert.Nil(t, p)
			var found problem.List
			require.ErrorAs(t, err, &found)
			assert.Len(t, found, len(tt.want), "%s", err)
			for _, want := range tt.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

func TestParse_reportsEveryProblemAtOnce(t *testing.T) {
	_, err := Parse([]byte(`name: Bad Name
owner: me
steps:
  - id: up
    upload: {file: "inbox/{{.Night}}.csv", wait_until: soon}
  - id: run
    needs: [upp]
    batch: {restarts: x}
`))
	assert.EqualError(t, err, strings.Join([]string{
		`line 1: name: "Bad Name" is not a name; use ` + idForm,
		`line 2: owner: unknown key; known here: audit, calendar, deadline, defaults, include, name, params, steps, time_zone`,
		`line 5: steps.up.upload.wait_until: "soon" is neither a time of day like "05:00" nor a duration like "90m"`,
		`line 5: steps.up.upload.file: template: unknown value .Night; known: .AsOf, .AsOfDate, .Connection, .Key, .Pipeline`,
		`line 7: steps.run.needs[0]: there is no step "upp"`,
		`line 8: steps.run.batch.code: is missing`,
		`line 8: steps.run.batch.restarts: must be a whole number, not "x"`,
	}, "\n"))
}

func TestParse_limits(t *testing.T) {
	_, err := Parse([]byte("name: " + strings.Repeat("x", maxDefinition)))
	assert.ErrorContains(t, err, "are allowed")
	_, err = Parse([]byte("name: x\nsteps:\n" + strings.Repeat("- {}\n", maxSteps+1)))
	assert.EqualError(t, err, "line 3: steps: there are 1001 steps; at most 1000 are allowed")
	_, err = Parse(nil)
	assert.EqualError(t, err, "the definition is empty")
}

func TestRender_needsDateAndConnection(t *testing.T) {
	p, err := Parse([]byte(everyKind))
	require.NoError(t, err)
	_, err = p.Render(Date{}, Vars{Connection: "prod' OR 1=1"})
	require.ErrorContains(t, err, "the as-of date is missing")
	assert.ErrorContains(t, err, "is not valid")
}

func TestRender_findsWhatOnlyOneDateBreaks(t *testing.T) {
	p, err := Parse([]byte(`{"name": "x", "steps": [
		{"id": "a", "report": {"code": "R1", "save_to": "out/{{.AsOfDate}}.csv"}},
		{"id": "b", "report": {"code": "R2", "save_to": "out/2026-01-31.csv"}}]}`))
	require.NoError(t, err)
	_, err = p.Render(date(t, "2026-01-30"), Vars{Connection: "c"})
	require.NoError(t, err)
	_, err = p.Render(date(t, "2026-01-31"), Vars{Connection: "c"})
	assert.ErrorContains(t, err, "line 3: steps.b.report.save_to: step a already saves to out/2026-01-31.csv")
}

func TestDate(t *testing.T) {
	for _, bad := range []string{"", "2026-1-31", "2026-02-30", "20260131", "2026-01-31T00:00:00Z", " 2026-01-31", "31-JAN-23", "0000-01-01", "today"} {
		_, err := ParseDate(bad)
		assert.Error(t, err, bad)
	}
	d := date(t, "2024-01-31")
	next, err := d.AddMonths(1)
	require.NoError(t, err)
	assert.Equal(t, "2024-02-29", next.String(), "the month's last day, not a day of the next")
	back, err := d.AddDays(-31)
	require.NoError(t, err)
	assert.Equal(t, "2023-12-31", back.String())
	assert.Equal(t, "2023-12-31", d.PrevMonthEnd().String())
	assert.Equal(t, "2024-02-29", date(t, "2024-02-01").MonthEnd().String())
	assert.Equal(t, "2024-12-31", date(t, "2024-12-31").MonthEnd().String())
	_, err = d.AddMonths(1 << 62)
	assert.Error(t, err)

	var in struct{ D Date }
	assert.Error(t, json.Unmarshal([]byte(`{"D": ""}`), &in), "missing is an error, never today")
	require.NoError(t, json.Unmarshal([]byte(`{"D": "2024-01-31"}`), &in))
	assert.Equal(t, d, in.D)
}

func TestParseRef(t *testing.T) {
	for _, ok := range []string{"inbox/a.csv", "inbox/2026-10-31/a b.csv", "s/ä/…"} {
		store, path, err := ParseRef(ok)
		require.NoError(t, err)
		assert.Equal(t, ok, store+"/"+path)
	}
	for _, bad := range []string{"", "inbox", "inbox/", "/inbox/a", "inbox//a", "inbox/a/", "inbox/../a", "inbox/a/..", "inbox/.", "inbox/.a",
		`inbox/..\a`, "inbox/a\x00", "inbox/a\nb", "in box/a", "../a", "inbox/\xff", "inbox/" + strings.Repeat("a", 1025)} {
		_, _, err := ParseRef(bad)
		assert.Error(t, err, bad)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(everyKind))
	f.Add([]byte("name: x\nsteps: [{id: a, needs: [a, &x b, *x], <<: {}, batch: {code: !!binary aGk=, params: {? [a] : b}}}]"))
	f.Add([]byte(`{"name":"x","steps":[{"id":"a","report":{"code":"{{.AsOf.Format \"2006\"}}","save_to":"o/x"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			var found problem.List
			require.ErrorAs(t, err, &found)
			require.NotEmpty(t, found)
			return
		}
		written, err := json.Marshal(p)
		require.NoError(t, err)
		again, err := Parse(written)
		require.NoError(t, err, "%s", written)
		p.places, again.places = nil, nil
		rewritten, err := json.Marshal(again)
		require.NoError(t, err)
		require.JSONEq(t, string(written), string(rewritten))
	})
}

func FuzzRender(f *testing.F) {
	f.Add("gl_{{.AsOfDate}}.csv", 20000)
	f.Add(`{{(.AsOf.AddDays -1).Format "20060102"}}`, 0)
	f.Add(`{{if and (eq .Connection "prod") true}}{{.AsOf.MonthEnd}}{{else}}{{.Pipeline}}{{end}}`, -9)
	f.Add(`{{.AsOf.AddMonths 9223372036854775807}}{{with 1}}{{.}}{{end}}{{template "x"}}`, 1)
	f.Fuzz(func(t *testing.T, text string, days int) {
		day, err := date(t, "2026-10-31").AddDays(days)
		if err != nil {
			return
		}
		p := &Pipeline{Name: "x", Steps: []Step{{ID: "a", Upload: &Upload{File: "inbox/" + text, Prefix: text}}}}
		rendered, err := p.Render(day, Vars{Connection: "prod"})
		if err != nil {
			return
		}
		up := rendered.Steps[0].Upload
		_, _, err = ParseRef(up.File)
		require.NoError(t, err)
		require.Regexp(t, remotePattern, up.Name)
		require.NotContains(t, up.Name+up.Prefix, "..")
		require.NotContains(t, up.File+up.Prefix, "<no value>")
		again, err := p.Render(day, Vars{Connection: "prod"})
		require.NoError(t, err)
		require.Equal(t, rendered, again)
	})
}

func TestStoreRefs(t *testing.T) {
	p, err := Parse([]byte(everyKind))
	require.NoError(t, err)
	var refs []string
	for _, s := range p.Steps {
		for _, ref := range s.StoreRefs() {
			refs = append(refs, s.ID+" "+ref)
		}
	}
	assert.Equal(t, []string{
		`up inbox/a/gl_{{.AsOf.Format "20060102"}}.csv`, "up inbox/gl_{{.AsOfDate}}.done", "up inbox/gl_{{.AsOfDate}}.json",
		`report out/{{if eq .Connection "prod"}}p{{else}}t{{end}}.csv`,
		"by-name out/x.csv", "by-id out/y.csv",
	}, refs)
}

func TestRender_auditFile(t *testing.T) {
	for text, want := range map[string]string{
		"name: x\naudit: \"log/{{.AsOfDate}}/a.jsonl\"\nsteps:\n- {id: a, report: {code: R, save_to: out/x}}": "log/2026-10-31/a.jsonl",
		"name: x\nsteps:\n- {id: a, export: {code: R}}":                                                       "",
		"name: x\nsteps:\n- {id: a, export: {code: R}}\n- {id: b, report: {code: R, save_to: out/d/x}}":       "out/d/audit_x_prod_2026-10-31.jsonl",
	} {
		p, err := Parse([]byte(text))
		require.NoError(t, err)
		rendered, err := p.Render(date(t, "2026-10-31"), Vars{Connection: "prod"})
		require.NoError(t, err)
		assert.Equal(t, want, rendered.Audit)
	}
}

// A file that is no definition is not printed as a whole.
func TestParse_quotesTheBeginning(t *testing.T) {
	_, err := Parse([]byte(strings.Repeat("root:x:0:0:root:/root:/bin/bash\n", 60)))
	require.ErrorContains(t, err, "must be keys and values, not \"root:x:0:0")
	require.ErrorContains(t, err, "... (1919 bytes)")
	require.Less(t, len(err.Error()), 400)
}

// One form serves definitions and inputs alike.
func TestCheckCode(t *testing.T) {
	for code, valid := range map[string]bool{
		"PBSM_ALLOC": true, "7": true, "a.b-c_d": true, strings.Repeat("A", 128): true,
		"": false, ".hidden": false, "-x": false, "_x": false, "a b": false, "a/b": false, "größe": false, strings.Repeat("A", 129): false,
	} {
		require.Equal(t, valid, CheckCode(code) == nil, code)
	}
}
