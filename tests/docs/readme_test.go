package docs

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const stoppedNight = `name: nightly-close
steps:
  - id: ledger
    upload: {file: inbox/gl.csv}
  - id: instruments
    upload: {file: inbox/instruments.csv}
  - id: allocate
    needs: [ledger, instruments]
    batch: {code: PBSM_ALLOC}
  - id: funding
    needs: [instruments]
    batch: {code: PBSM_FTP}
  - id: profitability
    needs: [allocate]
    report: {code: RPT001, save_to: "reports/profitability.csv"}
`

// README.md shows what the program prints; times, ids and the connection may differ.
func TestReadme_showsAStoppedNight(t *testing.T) {
	t.Parallel()
	task := func(code, outcome string) simulator.Task {
		return simulator.Task{Code: code, Duration: time.Minute, Outcome: outcome}
	}
	e := harness.New(t, harness.Options{Simulator: simulator.Options{Catalog: simulator.Catalog{
		Batches: []simulator.Batch{
			{Code: "PBSM_ALLOC", Tasks: []simulator.Task{task("T1_LOAD", ""), task("T2_ALLOCATE", simulator.OutcomeFail), task("T3_PUBLISH", "")}},
			{Code: "PBSM_FTP", Tasks: []simulator.Task{task("T1_RATES", "")}},
		},
		Reports: []simulator.Report{{Code: "RPT001", Kind: simulator.Profitability}},
	}}})
	e.Write(e.Pipelines, "nightly-close.yaml", stoppedNight)
	e.Write(e.Inbox, "gl.csv", "ORG_UNIT_ID,BALANCE\n"+strings.Repeat("1001,250.00\n", 48211))
	e.Write(e.Inbox, "instruments.csv", "ID,RATE\n"+strings.Repeat("7,1.25\n", 9644))
	id := workflows.CloseWorkflowID(e.Connection, "nightly-close", harness.AsOf)
	e.StartClose("nightly-close")
	e.Until("only allocate has not succeeded", func() bool {
		status, _ := e.Status(id)
		return status.State == workflows.Waiting && status.Steps[3].State == workflows.Succeeded
	})

	_, blocks := harness.Page(t, "../../README.md")
	pictures := harness.InLanguage(blocks, "console")
	require.Len(t, pictures, 1)
	command, picture, _ := strings.Cut(pictures[0].Text, "\n")
	command, found := strings.CutPrefix(command, "$ starter ")
	require.True(t, found)
	shown := e.Run(strings.Fields(strings.ReplaceAll(command, "/prod/", "/"+e.Connection+"/"))...)
	picture = strings.NewReplacer("✓", "+", "·", ".").Replace(picture) // as in a pipe
	require.Equal(t, withoutFigures(picture), withoutFigures(strings.ReplaceAll(shown.Stdout, e.Connection, "prod")))
}

var (
	variable = regexp.MustCompile(`\d{10,}|\b\d+h?\d*m?\d*s\b|\bfile id \d+`)
	blanks   = regexp.MustCompile(` +`)
)

// withoutFigures removes what differs between two nights.
func withoutFigures(text string) string {
	return blanks.ReplaceAllString(variable.ReplaceAllString(text, "N"), " ")
}
