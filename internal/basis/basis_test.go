package basis

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type definition struct {
	Code    string            `json:"code"`
	Params  map[string]string `json:"params,omitempty"`
	Tasks   []string          `json:"tasks,omitempty"`
	Members []definition      `json:"members,omitempty"`
}

func TestDefine_flattens(t *testing.T) {
	require.Equal(t, []Setting{
		{"code", "A"}, {"members.1.code", "B"}, {"members.1.params.$R$", "2"}, {"params.$D$", "2026-10-31"}, {"tasks.1", "T1"}, {"tasks.2", "T2"},
	}, Define(definition{
		Code:    "A",
		Params:  map[string]string{"$D$": "2026-10-31"},
		Tasks:   []string{"T1", "T2"},
		Members: []definition{{Code: "B", Params: map[string]string{"$R$": "2"}}},
	}))
}

func TestBasis_Changes(t *testing.T) {
	began := time.Date(2026, 11, 1, 1, 0, 0, 0, time.UTC)
	of := func(runsk string, needs ...Need) Basis {
		return Basis{Definition: Define(definition{Code: "A", Params: map[string]string{"$RUNSK$": runsk}}), Needs: needs}
	}
	ledger := func(sum string, at time.Time) Need { return Need{"ledger", FileResult(strings.Repeat(sum, 8)), at} }
	early, late := began.Add(-time.Minute), began.Add(time.Minute)
	for name, c := range map[string]struct {
		now, earlier Basis
		want         []string
	}{
		"the same":                {of("1"), of("1"), nil},
		"nothing known":           {of("1"), Basis{}, []string{"what it was based on is not known"}},
		"another parameter":       {of("2"), of("1"), []string{`params.$RUNSK$ was "1", and is "2"`}},
		"a parameter more":        {of("2"), Basis{Definition: Define(definition{Code: "A"})}, []string{`params.$RUNSK$ was not set, and is "2"`}},
		"a parameter less":        {Basis{Definition: Define(definition{Code: "A"})}, of(""), []string{`params.$RUNSK$ was "", and is not set`}},
		"the same file":           {of("1", ledger("ab", late)), of("1", ledger("ab", early)), nil},
		"another file":            {of("1", ledger("cd", late)), of("1", ledger("ab", early)), []string{"ledger was SHA-256 abababababab…, and is SHA-256 cdcdcdcdcdcd…"}},
		"started alone, after it": {of("1", ledger("ab", early)), of("1"), nil},
		"started alone, before":   {of("1", ledger("ab", late)), of("1"), []string{"ledger (SHA-256 abababababab…) was produced only after that"}},
		"a need less":             {of("1"), of("1", ledger("ab", early)), nil},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, c.now.Changes(c.earlier, began)) })
	}
	require.Equal(t, []string{"it is not known whether ledger (SHA-256 abababababab…) existed then"},
		of("1", ledger("ab", early)).Changes(of("1"), time.Time{}))
}
