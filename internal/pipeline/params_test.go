package pipeline

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const withParams = `name: forecast
params:
  scenario: {description: 1 is the base case, one_of: [1, 7, 9], default: 1}
  restated: {pattern: "[0-9]{1,3}|none", default: none}
steps:
  - {id: run, batch: {code: B, key: first, params: {$SCENARIO$: "{{.Params.scenario}}"}}}
  - {id: members, group: {code: G, batches: [{code: M}]}}
  - id: report
    needs: [run]
    report:
      code: R
      filter: "SCENARIO_ID = {{.Params.scenario}} AND RESTATED = '{{.Params.restated}}'"
      save_to: "out/{{.AsOfDate}}/{{.Key}}{{if .Key}}_{{end}}r.csv"
`

func TestRender_params(t *testing.T) {
	p, err := Parse([]byte(withParams))
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		vars                            Vars
		key, batch, group, saved, audit string
	}{
		"defaults":         {Vars{}, "", "first", "", "out/2026-10-31/r.csv", "out/2026-10-31/audit_forecast_prod_2026-10-31.jsonl"},
		"the default":      {Vars{Params: map[string]string{"scenario": "1"}}, "", "first", "", "out/2026-10-31/r.csv", "out/2026-10-31/audit_forecast_prod_2026-10-31.jsonl"},
		"another value":    {Vars{Params: map[string]string{"scenario": "7"}}, "scenario-7", "scenario-7.first", "scenario-7", "out/2026-10-31/scenario-7_r.csv", "out/2026-10-31/audit_forecast_prod_2026-10-31_scenario-7.jsonl"},
		"two other values": {Vars{Params: map[string]string{"scenario": "7", "restated": "12"}}, "restated-12.scenario-7", "restated-12.scenario-7.first", "restated-12.scenario-7", "out/2026-10-31/restated-12.scenario-7_r.csv", "out/2026-10-31/audit_forecast_prod_2026-10-31_restated-12.scenario-7.jsonl"},
		"a key of its own": {Vars{Params: map[string]string{"scenario": "7"}, Key: "what-if"}, "what-if", "what-if.first", "what-if", "out/2026-10-31/what-if_r.csv", "out/2026-10-31/audit_forecast_prod_2026-10-31_what-if.jsonl"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.vars.Connection = "prod"
			q, err := p.Render(date(t, "2026-10-31"), tt.vars)
			require.NoError(t, err)
			assert.Equal(t, tt.key, q.Key())
			assert.Equal(t, tt.batch, q.Steps[0].Batch.Key)
			assert.Equal(t, tt.group, q.Steps[1].Group.Key)
			assert.Equal(t, tt.saved, q.Steps[2].Report.SaveTo)
			assert.Equal(t, tt.audit, q.Audit)
			assert.Equal(t, q.Values()["scenario"], q.Steps[0].Batch.Params["$SCENARIO$"])
			assert.Equal(t, "SCENARIO_ID = "+q.Values()["scenario"]+" AND RESTATED = '"+q.Values()["restated"]+"'", q.Steps[2].Report.Filter)
		})
	}
}

func TestRender_refusesParams(t *testing.T) {
	p, err := Parse([]byte(strings.Replace(withParams, ", default: none", "", 1)))
	require.NoError(t, err)
	_, err = p.Render(date(t, "2026-10-31"), Vars{Connection: "prod", Key: "a--b", Params: map[string]string{"scenario": "8", "scenarios": "7"}})
	assert.EqualError(t, err, strings.Join([]string{
		`there is no parameter "scenarios"; the pipeline has restated, scenario`,
		`key: "a--b" must be ` + valueForm + `, and parts like that with "." between them`,
		`line 3: params.scenario: "8" is not one of 1, 7, 9`,
		`line 4: params.restated: has no default, so a start must give its value`,
	}, "\n"))
	for value, want := range map[string]string{
		"1234": "does not match", "x' OR 1=1": "must be letters", "1--": "must be letters", "": "must be letters", "12\n": "must be letters",
	} {
		err := p.CheckStart(map[string]string{"restated": value})
		assert.ErrorContains(t, err, "params.restated: ", value)
		assert.ErrorContains(t, err, want, value)
	}
	_, err = p.Render(date(t, "2026-10-31"), Vars{Connection: "prod", Key: "report", Params: map[string]string{"restated": "1"}})
	assert.ErrorContains(t, err, "steps.report.id: report is also the key of this close")
}

func TestParse_refusesParams(t *testing.T) {
	step := "\nsteps: [{id: a, approve: {message: ok}}]"
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"name":          {"params: {Scenario: {one_of: [1]}}" + step, []string{`params.Scenario: "Scenario" is not a parameter's name`}},
		"neither":       {"params: {s: {default: 1}}" + step, []string{"params.s: must have exactly one of one_of and pattern"}},
		"both":          {"params: {s: {one_of: [1], pattern: x}}" + step, []string{"params.s: must have exactly one of"}},
		"value":         {"params: {s: {one_of: [1, a b]}}" + step, []string{`params.s.one_of[1]: "a b" must be`}},
		"default":       {"params: {s: {one_of: [1], default: 2}}" + step, []string{`params.s.default: "2" is not one of 1`}},
		"other default": {"params: {s: {pattern: '[0-9]', default: 22}}" + step, []string{`params.s.default: "22" does not match [0-9]`}},
		"pattern":       {"params: {s: {pattern: '('}}" + step, []string{`params.s.pattern: "(" is not a regular expression`}},
		"unknown":       {"params: {s: {one_of: [1]}}\nsteps: [{id: a, approve: {message: '{{.Params.t}}'}}]", []string{"unknown value .Params.t; known: .Params.s"}},
		"all of them":   {"params: {s: {one_of: [1]}}\nsteps: [{id: a, approve: {message: '{{.Params}}'}}]", []string{"unknown value .Params; known: .Params.s"}},
		"not declared":  {"steps: [{id: a, approve: {message: '{{.Params.t}}'}}]", []string{"unknown value .Params; known: .AsOf"}},
		"unquoted": {"params: {s: {one_of: [ORG_ID, x]}}\nsteps: [{id: a, report: {code: R, filter: 'ORG_ID = {{.Params.s}}', save_to: 'o/{{.Key}}x'}}]",
			[]string{"steps.a.report.filter: the value \"ORG_ID\" must be in single quotes, or SQL reads it as a name"}},
		"same file": {"params: {s: {one_of: [1, 2]}}\nsteps: [{id: a, report: {code: R, save_to: o/x}}, {id: b, upload: {file: i/f/, list_to: o/y}}]",
			[]string{
				`steps.a.report.save_to: "o/x" is also what closes with another value of s save, which would overwrite each other's files; use {{.Params.s}} or {{.Key}} in it`,
				`steps.b.upload.list_to: "o/y" is also what`,
			}},
		"almost the same file": {"params: {s: {one_of: [1, 2, 3]}}\nsteps: [{id: a, report: {code: R, save_to: 'o/{{if eq .Params.s \"1\"}}a{{else}}b{{end}}'}}]",
			[]string{`steps.a.report.save_to: "o/b" is also what closes`}},
		"same audit": {"audit: o/x\nparams: {s: {one_of: [1, 2]}}" + step, []string{`audit: "o/x" is also what closes`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte("name: x\n" + tt.text))
			require.Error(t, err)
			for _, want := range tt.want {
				assert.ErrorContains(t, err, want)
			}
			assert.Len(t, strings.Split(err.Error(), "\n"), len(tt.want), "%s", err)
		})
	}
}

// What depends on a value of which nothing is known is checked once it is there.
func TestParse_valueOfNoSample(t *testing.T) {
	p, err := Parse([]byte("name: x\nparams: {day: {pattern: '[0-9-]*'}}\nsteps: [{id: a, batch: {code: B, params: {$FICMISDATE$: '{{.Params.day}}'}}}]"))
	require.NoError(t, err)
	_, err = p.Render(date(t, "2026-10-31"), Vars{Connection: "prod", Params: map[string]string{"day": "2026-09-30"}})
	require.NoError(t, err)
	_, err = p.Render(date(t, "2026-10-31"), Vars{Connection: "prod", Params: map[string]string{"day": "2026"}})
	assert.ErrorContains(t, err, `steps.a.batch.params.$FICMISDATE$: "2026" is not a date`)
}

func FuzzParamsKey(f *testing.F) {
	f.Add("a", "b-c", "d", "e")
	f.Fuzz(func(t *testing.T, name, value, otherName, otherValue string) {
		for _, err := range []error{CheckParamName(name), CheckParamName(otherName), CheckValue(value), CheckValue(otherValue)} {
			if err != nil {
				return
			}
		}
		key := ParamsKey(map[string]string{name: value})
		require.NoError(t, CheckKey(key))
		require.NotContains(t, key, "--")
		if name != otherName {
			require.NoError(t, CheckKey(ParamsKey(map[string]string{name: value, otherName: otherValue})[:min(128, len(key))]))
			require.NotEqual(t, key, ParamsKey(map[string]string{otherName: otherValue}))
			require.NotEqual(t, key, ParamsKey(map[string]string{name: value, otherName: otherValue}))
		}
	})
}

// What a start gives cannot leave the text or the number in which it stands.
func FuzzFilter(f *testing.F) {
	f.Add("A = '{{.Params.s}}'", "x")
	f.Add("A = {{.Params.s}} OR B = '{{.Key}}'", "7")
	f.Fuzz(func(t *testing.T, filter, value string) {
		if CheckValue(value) != nil || strings.ContainsAny(filter, "\x01\x02") {
			return
		}
		r := rendering{asOf: sampleDate, connection: "c", params: map[string]string{"s": value}, key: value}
		result, err := r.expand("steps[0].report.filter", filter)
		if err != nil {
			return
		}
		require.NotContains(t, result, string(markBegin))
		require.NotContains(t, result, string(markEnd))
	})
}
