package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	cmdpipeline "github.com/pbsmflow/pbsmflow/starter/internal/cmd/pipeline"
	"github.com/pbsmflow/pbsmflow/starter/internal/follow"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// close runs the close as starter close does, then checks its reports.
func (d *demonstration) close(ctx context.Context, s *client.Session) error {
	in, err := cmdpipeline.CloseInput(d.Factory, workflows.NightlyCloseInput{
		Connection: connection,
		AsOfDate:   d.asOf,
		StartedBy:  cli.Operator(),
	}, pipelineName)
	if err != nil {
		return err
	}
	run, err := s.Start(ctx, in, cli.StartOptions{})
	if err != nil {
		return err
	}
	s.Announce(ctx, run)
	if inCI() {
		go d.answer(ctx, s, run.ID)
	} else if !d.calm {
		d.say(`%s will fail once. Answer on its page:
  %s/w/%s
or in another terminal:
  %s
  %s`, failingTask, d.console, run.ID, d.settings(), d.Starter("inbox"))
	}
	result := &workflows.NightlyCloseResult{}
	if err := follow.Until(ctx, s, run, !d.calm, result); err != nil {
		return err
	}
	if !d.JSON() {
		s.ShowResult(result)
	}
	reports, err := d.verify(result)
	d.show(s, run, result, reports)
	return err
}

// answer restarts the batch that failed, as an operator would.
func (d *demonstration) answer(ctx context.Context, s *client.Session, id string) {
	for ctx.Err() == nil {
		status, err := s.Status(ctx, id)
		if err == nil && status.State == workflows.Waiting {
			command := workflows.Command{By: cli.Operator(), Why: "the table space was full", Step: failingStep}
			if _, err := s.SendCommand(ctx, id, workflows.RestartCommand, command); err != nil {
				d.Note("%v", err)
			}
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// verified is a report on the disk, and whether it matches the result.
type verified struct {
	Step string `json:"step"`
	Path string `json:"path"`
	facts
	// AsReported: the file matches the close's result.
	AsReported bool `json:"as_reported"`
}

// facts describe a file on disk.
type facts struct {
	Bytes  int64  `json:"bytes"`
	Rows   int64  `json:"rows"` // records below the header
	SHA256 string `json:"sha256"`
}

// inspect reads a CSV file whole.
func inspect(path string) (facts, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return facts{}, err
	}
	sum := sha256.Sum256(text)
	found := facts{Bytes: int64(len(text)), Rows: -1, SHA256: hex.EncodeToString(sum[:])}
	records := csv.NewReader(bytes.NewReader(text))
	records.FieldsPerRecord, records.ReuseRecord = -1, true
	for {
		if _, err := records.Read(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return facts{}, fmt.Errorf("%s: %w", path, err)
		}
		found.Rows++
	}
	found.Rows = max(found.Rows, 0)
	return found, nil
}

// verify compares the reports on the disk with what the result says of them.
func (d *demonstration) verify(result *workflows.NightlyCloseResult) ([]verified, error) {
	var reports []verified
	var found []string
	for _, step := range result.Steps {
		if step.Report == nil {
			continue
		}
		file := step.Report.File
		path := d.path(filepath.FromSlash(file.File))
		on, err := inspect(path)
		same := err == nil && file.Rows != nil && on == facts{Bytes: file.Bytes, Rows: *file.Rows, SHA256: file.SHA256}
		switch {
		case err != nil:
			found = append(found, err.Error())
		case !same:
			found = append(found, fmt.Sprintf("%s holds %+v; the result says %d bytes, %s, SHA-256 %s", path, on, file.Bytes,
				view.Rows(file), file.SHA256))
		}
		reports = append(reports, verified{Step: step.ID, Path: path, facts: on, AsReported: same})
	}
	if len(reports) == 0 {
		found = append(found, "the close made no report")
	}
	return reports, cli.Listing(cli.ExitFailed, "the reports do not match the result", found)
}

type document struct {
	Close      *workflows.NightlyCloseResult `json:"close"`
	Reports    []verified                    `json:"reports"`
	WorkflowID string                        `json:"workflow_id"`
	URL        string                        `json:"url"`
	Dir        string                        `json:"dir"`
}

func (d *demonstration) show(
	s *client.Session, run workflows.Execution, result *workflows.NightlyCloseResult, reports []verified,
) {
	if d.JSON() {
		d.PrintJSON(document{Close: result, Reports: reports, WorkflowID: run.ID, URL: s.Link(run.ID), Dir: d.dir})
		return
	}
	d.Print("")
	d.Print(reportLines(reports, d.Width())...)
	d.Print("", "The close in the Temporal UI: "+s.Link(run.ID))
}

// reportLines is a table where it fits, else a paragraph for each report.
func reportLines(reports []verified, width int) []string {
	rows := [][]string{{"REPORT", "ROWS", "BYTES", "CHECKED", "SHA-256"}}
	var paragraphs []string
	for _, r := range reports {
		checked := "as reported"
		if !r.AsReported {
			checked = "DIFFERS"
		}
		rows = append(rows, []string{r.Path, view.Count(r.Rows), view.Count(r.Bytes), checked, r.SHA256})
		paragraphs = append(paragraphs, r.Path,
			fmt.Sprintf("  %s rows, %s bytes, %s", view.Count(r.Rows), view.Count(r.Bytes), checked), "  SHA-256 "+r.SHA256)
	}
	return view.TableOr(paragraphs, []view.Column{{}, {Right: true}, {Right: true}, {}, {}}, rows, width)
}
