//go:build render

package tests

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	busyFor = 2 * time.Minute
	drawn   = `document.querySelectorAll("[data-state]").length > 20 && !document.querySelector("[data-state=pending]")`
	// not are the panels that are not drawn, and why.
	not = `[...document.querySelectorAll("[data-state]")].filter(p => p.dataset.state !== "drawn")
		.map(p => p.dataset.panel + ": " + p.textContent).join("; ")`
)

// The dashboard is drawn in a browser with the measures of two busy minutes, to be looked at; the
// page is that of tests/observability/render, built by make dashboard.
func TestDashboardIsDrawn(t *testing.T) {
	pages := os.Getenv("PBSMFLOW_RENDER")
	require.NotEmpty(t, pages, "the folder of the built page; see make dashboard")
	e, p, approval, _ := watchedNight(t, nextMinute())
	beBusy(t, e, approval.GetID())

	files := http.NewServeMux()
	files.Handle("/", http.FileServer(http.Dir(pages)))
	files.HandleFunc("/dashboard.json", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "../deploy/observability/dashboard.json")
	})
	server := httptest.NewServer(files)
	t.Cleanup(server.Close)
	b := openBrowser(t, e.Server)
	b.do("look at the dashboard", chromedp.EmulateViewport(1848, 2040),
		chromedp.Navigate(fmt.Sprintf("%s/index.html?prometheus=%s&seconds=%d", server.URL, url.QueryEscape(p.URL), int(busyFor.Seconds()))))
	b.until("every panel has its answers", drawn)
	time.Sleep(time.Second) // until the canvases are painted
	b.shot("dashboard")
	empty, err := chromedp.Run(b.tab, chromedp.Evaluate[string](not))
	require.NoError(t, err)
	require.Empty(t, empty)
	t.Logf("look at it: %s", filepath.Join(b.shots, "01-dashboard.png"))
}

// beBusy runs batches, files and reports side by side, with answers that fail now and then, and approves the close midway.
func beBusy(t *testing.T, e *harness.Env, closeID string) {
	t.Helper()
	e.Write(e.Inbox, "big.csv", harness.Ledger(400_000))
	begun := time.Now()
	for i := 0; time.Since(begun) < busyFor; i++ {
		if i%9 == 3 {
			e.Sim.Inject(simulator.Fault{Call: "status", Kind: simulator.FaultStatus, Status: http.StatusServiceUnavailable, Times: 3})
		}
		if i%7 == 5 {
			e.Sim.Inject(simulator.Fault{Call: "trigger", Kind: simulator.FaultStatus, Status: http.StatusTooManyRequests, Times: 1})
		}
		e.StartBatch(workflows.RunBatchInput{Code: "PBSM_QUICK", Key: fmt.Sprint(i), Deadline: time.Now().Add(time.Duration(i+1) * time.Minute)})
		e.Start(fmt.Sprintf("upload-%d", i), workflows.UploadFile, workflows.UploadFileInput{Connection: e.Connection, File: "inbox/big.csv"})
		e.Start(fmt.Sprintf("report-%d", i), workflows.GenerateReport,
			workflows.GenerateReportInput{Connection: e.Connection, Code: "RPT001", Type: "CSV", SaveTo: fmt.Sprintf("reports/%d.csv", i)})
		if i == 12 {
			_, err := e.Steer(closeID, workflows.ApproveCommand, workflows.Command{By: "carla", Step: "books"})
			require.NoError(t, err)
		}
		time.Sleep(4 * time.Second)
	}
}
