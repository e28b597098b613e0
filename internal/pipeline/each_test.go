package pipeline

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const withEach = `name: entities
x-entities: &entities [US, uk]
defaults:
  batch: {restarts: 2, params: {$RUNSK$: 1}}
steps:
  - id: file
    each: {entity: *entities}
    description: "Ledger of {{.Each.entity}}"
    upload: {file: "inbox/{{.Each.entity}}.csv"}
  - id: alloc
    each: {entity: *entities, book: [a, b]}
    at_once: 2
    needs: ["file-{{.Each.entity}}"]
    batch: {code: "ALLOC_{{.Each.book}}", params: {$ENTITY$: "{{.Each.entity}}"}}
  - {id: all, needs: [alloc, file-us], batch: {code: ALL, restarts: 1}}
`

func TestRender_each(t *testing.T) {
	p, err := Parse([]byte(withEach))
	require.NoError(t, err)
	q, err := p.Render(date(t, "2026-10-31"), Vars{Connection: "prod"})
	require.NoError(t, err)
	var ids []string
	for i, s := range q.Steps {
		ids = append(ids, s.ID+" of "+q.Expansion(i).Of+" needs "+strings.Join(s.Needs, " "))
	}
	assert.Equal(t, []string{
		"file-us of file needs ", "file-uk of file needs ",
		"alloc-a-us of alloc needs file-us", "alloc-a-uk of alloc needs file-uk",
		"alloc-b-us of alloc needs file-us", "alloc-b-uk of alloc needs file-uk",
		"all of  needs alloc-a-us alloc-a-uk alloc-b-us alloc-b-uk file-us",
	}, ids)
	assert.Equal(t, "Ledger of US", q.Steps[0].Description)
	assert.Equal(t, "inbox/US.csv", q.Steps[0].Upload.File)
	alloc := q.Steps[2].Batch
	assert.Equal(t, "ALLOC_a", alloc.Code)
	assert.Equal(t, "US", alloc.Key, "the book is in the code already")
	assert.Equal(t, map[string]string{"$ENTITY$": "US", "$RUNSK$": "1", ParamAsOf: "2026-10-31"}, alloc.Params)
	assert.Equal(t, 2, alloc.Restarts)
	assert.Equal(t, 2, q.Expansion(2).AtOnce)
	assert.Equal(t, map[string]string{"entity": "US", "book": "a"}, q.Expansion(2).Each)
	assert.Empty(t, q.Steps[6].Batch.Key)
	assert.Equal(t, 1, q.Steps[6].Batch.Restarts)
}

func TestParse_refusesEach(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"no values": {"- {id: a, each: {e: []}, approve: {message: x}}", []string{"steps.a.each.e: must have at least one value"}},
		"value":     {"- {id: a, each: {e: [b c, d, d]}, approve: {message: x}}", []string{`steps.a.each.e[0]: "b c" must be letters`, "steps.a.each.e[2]: d is given twice"}},
		"name":      {"- {id: a, each: {E: [b]}, approve: {message: x}}", []string{`steps.a.each.E: "E" is not a parameter's name`}},
		"at_once":   {"- {id: a, at_once: 2, approve: {message: x}}", []string{"steps.a.at_once: is for a step with each"}},
		"same id":   {"- {id: a, each: {e: [b]}, approve: {message: x}}\n- {id: a-b, approve: {message: x}}", []string{"line 4: steps.a-b.id: the id a-b is already used by step 1"}},
		"id of all": {"- {id: a, each: {e: [b]}, approve: {message: x}}\n- {id: a, approve: {message: x}}", []string{"line 4: steps.a.id: the id a is already used by step 1"}},
		"long id": {"- {id: " + strings.Repeat("a", 60) + ", each: {e: [bcd]}, approve: {message: x}}",
			[]string{"aaa-bcd\" is not an id; use lower-case letters, digits, \"-\" and \"_\", at most 63, a letter or digit first (for e bcd)"}},
		"unknown value": {"- {id: a, each: {e: [b, c]}, approve: {message: '{{.Each.f}}'}}", []string{"steps.a.approve.message: template: unknown value .Each.f; known: .Each.e (for e b)"}},
		"elsewhere":     {"- {id: a, approve: {message: '{{.Each.e}}'}}", []string{"unknown value .Each; known: .AsOf"}},
		"same file": {"- {id: a, each: {e: [b, c, d]}, report: {code: R, save_to: o/x}}",
			[]string{"steps.a.report.save_to: step a-b already saves to o/x (for e c)"}},
		"need": {"- {id: a, each: {e: [b, c]}, needs: ['x-{{.Each.e}}'], approve: {message: x}}",
			[]string{`steps.a.needs[0]: there is no step "x-b" (for e b)`}},
		"need twice": {"- {id: a, each: {e: [b, c]}, approve: {message: x}}\n- {id: z, needs: [a-c, a], approve: {message: x}}",
			[]string{"steps.z.needs[1]: a is named twice"}},
		"cycle": {"- {id: a, each: {e: [b, c]}, needs: [z], approve: {message: x}}\n- {id: z, needs: [a], approve: {message: x}}",
			[]string{"line 3: steps.a.needs: the steps form a cycle: a-b needs z needs a-b"}},
		"too many": {"- {id: a, each: {e: [" + numbers(40) + "], f: [" + numbers(40) + "]}, approve: {message: x}}",
			[]string{"there are 1600 steps; at most 1000 are allowed"}},
		"too many needs": {"- {id: a, each: {e: [" + numbers(200) + "]}, approve: {message: x}}\n- {id: z, needs: [a], each: {e: [" + numbers(200) + "]}, approve: {message: x}}",
			[]string{"the steps have 40000 needs in all, and at most 10000 are allowed"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte("name: x\nsteps:\n" + tt.text))
			require.Error(t, err)
			for _, want := range tt.want {
				assert.ErrorContains(t, err, want)
			}
			assert.Len(t, strings.Split(err.Error(), "\n"), len(tt.want), "%s", err)
		})
	}
}

func numbers(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprint(i))
	}
	return strings.Join(all, ", ")
}

func TestParse_aliasesAndMergeKeys(t *testing.T) {
	p, err := Parse([]byte(`name: x
x-base: &base {restarts: 1, params: {A: 1}}
x-more: &more {restarts: 2, key: k}
steps:
  - {id: a, batch: {<<: [*base, *more], code: B}}
  - {id: b, batch: {<<: *base, code: C, restarts: 3}}
`))
	require.NoError(t, err)
	assert.Equal(t, &Batch{Code: "B", Key: "k", Restarts: 1, Params: map[string]string{"A": "1"}}, p.Steps[0].Batch)
	assert.Equal(t, &Batch{Code: "C", Restarts: 3, Params: map[string]string{"A": "1"}}, p.Steps[1].Batch)

	var laughs strings.Builder
	laughs.WriteString("name: x\nx-a0: &a0 [a, a, a, a, a, a, a, a, a, a]\n")
	for i := range 9 {
		fmt.Fprintf(&laughs, "x-a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	_, err = Parse([]byte(laughs.String() + "steps: [{id: a, needs: *a9, approve: {message: x}}]"))
	assert.ErrorContains(t, err, "with everything that its aliases stand for, the definition is too large")
}

// withoutKeys is an error without the keys and kinds that there are.
func withoutKeys(err error) error {
	return errors.New(regexp.MustCompile(`; known here: .*|; there are approve.*|one of approve, .*`).ReplaceAllString(err.Error(), ""))
}

// What several steps share is reported once, where it is written.
func TestParse_reportsSharedMistakesOnce(t *testing.T) {
	_, err := Parse([]byte(`name: x
x-late: &late {restarts: 900}
defaults:
  report: {type: "C S V", kind: x}
  bath: {code: B}
  group: {restarts: often}
steps:
  - {id: a, batch: {code: B, <<: *late}}
  - {id: b, batch: {code: C, <<: *late}}
  - {id: c, report: {code: R, save_to: o/x}}
  - {id: d, report: {code: R, save_to: o/y}}
`))
	assert.EqualError(t, withoutKeys(err), strings.Join([]string{
		"line 2: steps.a.batch.restarts: must be between 0 and 100",
		`line 4: steps.c.report.type: "C S V" is not a type; use for example CSV`,
		"line 4: defaults.report.kind: unknown key",
		"line 5: defaults.bath: there is no such kind of step",
		`line 6: defaults.group.restarts: must be a whole number, not "often"`,
	}, "\n"))
}

func TestParseIn_includes(t *testing.T) {
	main := "name: x\ninclude: [_files.yaml, parts/reports.json]\nparams: {a: {one_of: [1]}}\nsteps: [{id: run, needs: [ledger], batch: {code: B}}]\n"
	folder := fstest.MapFS{
		"_files.yaml":        {Data: []byte("params: {b: {one_of: [2], default: 2}}\ndefaults: {upload: {prefix: night}}\nsteps:\n  - id: ledger\n    upload: {file: inbox/a.csv}\n")},
		"parts/reports.json": {Data: []byte(`{"steps": [{"id": "r", "needs": ["run"], "report": {"code": "R", "save_to": "o/{{.Params.a}}{{.Key}}"}}]}`)},
	}
	p, err := ParseIn([]byte(main), folder)
	require.NoError(t, err)
	assert.Equal(t, []string{"_files.yaml", "parts/reports.json"}, p.Included())
	var ids []string
	for _, s := range p.Steps {
		ids = append(ids, s.ID)
	}
	assert.Equal(t, []string{"ledger", "r", "run"}, ids)
	assert.Equal(t, "night", p.Steps[0].Upload.Prefix)
	assert.Len(t, p.Params, 2)

	folder["_files.yaml"].Data = []byte("name: y\nparams: {a: {one_of: [1]}}\nsteps:\n  - id: ledger\n    upload: {file: inbox, when: never}\n  - {id: run, each: {e: [x]}}\n")
	folder["parts/reports.json"].Data = []byte(`{"steps": 7}`)
	_, err = ParseIn([]byte(strings.Replace(main, "include: [", "include: [../x.yaml, /etc/x.yaml, no.yaml, x.txt, _files.yaml, ", 1)), folder)
	assert.EqualError(t, withoutKeys(err), strings.Join([]string{
		`line 2: "../x.yaml" is not a file of the definition's folder; write a path in it that ends with .yaml, .yml, .json`,
		`line 2: "/etc/x.yaml" is not a file of the definition's folder; write a path in it that ends with .yaml, .yml, .json`,
		`line 2: "no.yaml" cannot be read: there is no such file in the definition's folder`,
		`line 2: "x.txt" is not a file of the definition's folder; write a path in it that ends with .yaml, .yml, .json`,
		`line 2: "_files.yaml" is included twice`,
		`line 4: steps.run.id: the id run is already used by step 2`,
		`_files.yaml: line 1: name: unknown key; known in an included file: defaults, params, steps`,
		`_files.yaml: line 2: params.a: is given in line 3 of the definition as well`,
		`_files.yaml: line 5: steps.ledger.upload.file: "inbox" is not a file of a store; write STORE/PATH, where STORE is a name from the configuration`,
		`_files.yaml: line 5: steps.ledger.upload.when: unknown key`,
		`_files.yaml: line 6: steps.run: must have exactly `,
		`parts/reports.json: line 1: steps: must be a list, not "7"`,
	}, "\n"))
	_, err = Parse([]byte(main))
	assert.ErrorContains(t, err, `line 2: "_files.yaml" cannot be included: the definition does not come from a folder`)
}

func FuzzParseIn(f *testing.F) {
	f.Add([]byte(withEach), []byte("steps: [{id: z, approve: {message: x}}]"))
	f.Add([]byte("name: x\ninclude: [p.yaml]\nsteps: [{id: a, <<: {each: {e: [1, 2]}}, export: {code: x}}]"), []byte("a: &a {<<: *a}\ndefaults: {export: {code: 7}}"))
	f.Fuzz(func(t *testing.T, text, part []byte) {
		p, err := ParseIn(text, fstest.MapFS{"p.yaml": {Data: part}})
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		values, _ := p.sampleValues()
		_, _ = p.Render(date(t, "2026-12-31"), Vars{Connection: "prod", Params: values})
	})
}
