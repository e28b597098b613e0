//go:build bench

package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"golang.org/x/sync/errgroup"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/internal/verify"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

func TestMain(m *testing.M) { harness.Main(m) }

const (
	large     = 1 << 30
	huge      = 10 << 30
	far       = 192 << 20
	roundTrip = 50 * time.Millisecond
	window    = 1 << 20 // bytes in transit on a connection
	streams   = 8       // on the slow link
	rounds    = 3       // of each measurement, of which the best counts
)

// table collects the rows that the benchmark prints.
type table struct {
	rows [][4]string
}

func (t *table) add(what, theirs, ours, ratio string) {
	t.rows = append(t.rows, [4]string{what, theirs, ours, ratio})
}

func (t *table) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nmeasurement\tagainst\tpbsmflow\tratio")
	for _, r := range t.rows {
		fmt.Fprintln(w, strings.Join(r[:], "\t"))
	}
	_ = w.Flush()
}

// compare adds a row about transfer rates. The ratio is above 1 if pbsmflow is faster.
func (t *table) compare(what, tool string, theirs, ours time.Duration, size int64) {
	rate := func(d time.Duration) string { return fmt.Sprintf("%.0f MB/s", float64(size)/1e6/d.Seconds()) }
	if theirs == 0 {
		t.add(what, tool+" is missing: apt-get install "+tool, rate(ours), "")
		return
	}
	t.add(what, tool+" "+rate(theirs), rate(ours), fmt.Sprintf("%.2f", theirs.Seconds()/ours.Seconds()))
}

// bench is an environment with a measured worker.
type bench struct {
	*harness.Env
	service *pbsm.Client
	started int
}

func newBench(t *testing.T, o harness.Options) *bench {
	t.Helper()
	b := &bench{Env: harness.New(t, o)}
	sim := b.Sim.Options()
	var err error
	b.service, err = pbsm.New(pbsm.Config{
		BaseURL: b.Sim.BaseURL(), TokenURL: b.Sim.TokenURL(), TenantID: sim.Tenant, ServiceID: sim.ServiceID, WorkspaceID: sim.WorkspaceID,
		RemoteUser: sim.RemoteUser, Locale: "en-US", AppID: sim.AppID, ClientID: sim.ClientID, ClientSecret: sim.ClientSecret,
		Username: sim.Username, Password: sim.Password, CAFile: b.Sim.CAFile(), Timeout: time.Minute, MaxFileSize: 1 << 40,
		DynamicParams: pbsm.DynamicParamsJSON, TokenScope: "urn:opc:idm:__myscopes__ offline_access", ExportStatusPath: "/public/status", ImportStatusPath: "/public/status", ReportStatusBody: pbsm.ReportStatusBodyNone, ReportDefType: "V",
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(b.Inbox); _ = os.RemoveAll(b.Reports) })
	return b
}

func (b *bench) uploadURL(size int64) (id, url string) {
	b.T.Helper()
	par, err := b.service.CreateUploadPAR(b.T.Context(), pbsm.UploadRequest{FileName: "gl.dat", FileSize: size})
	require.NoError(b.T, err)
	return par.FileID, par.PAR.Expose()
}

func (b *bench) downloadURL(id string) string {
	b.T.Helper()
	par, err := b.service.CreateDownloadPARByID(b.T.Context(), id)
	require.NoError(b.T, err)
	return par.Expose()
}

// upload returns the duration of the activity that transfers the bytes, and the file's id.
func (b *bench) upload(file string) (time.Duration, string) {
	b.T.Helper()
	var result workflows.FileResult
	id := b.execute(workflows.UploadFile, workflows.UploadFileInput{Connection: b.Connection, File: file}, &result)
	return b.took(id, "PutFile"), result.FileID
}

func (b *bench) download(fileID, saveTo string) time.Duration {
	b.T.Helper()
	var result workflows.FileResult
	id := b.execute(workflows.DownloadFile, workflows.DownloadFileInput{Connection: b.Connection, FileID: fileID, SaveTo: saveTo}, &result)
	return b.took(id, "GetFile")
}

func (b *bench) execute(workflow, input, result any) (id string) {
	b.T.Helper()
	b.started++
	id = fmt.Sprintf("%s/%d", b.Connection, b.started)
	require.NoError(b.T, b.Await(b.Start(id, workflow, input), result))
	return id
}

// took returns the duration of an activity.
func (b *bench) took(id, activity string) time.Duration {
	b.T.Helper()
	scheduled, began := int64(0), time.Time{}
	for _, event := range b.History(id, "") {
		switch event.EventType {
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			if event.GetActivityTaskScheduledEventAttributes().ActivityType.Name == activity {
				scheduled = event.EventId
			}
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
			if event.GetActivityTaskStartedEventAttributes().ScheduledEventId == scheduled {
				began = event.EventTime.AsTime()
			}
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
			if event.GetActivityTaskCompletedEventAttributes().ScheduledEventId == scheduled {
				return event.EventTime.AsTime().Sub(began)
			}
		}
	}
	b.T.Fatalf("%s has no %s that ended", id, activity)
	return 0
}

// peak returns the maximum memory of a worker, in bytes.
func (b *bench) peak() int64 {
	b.T.Helper()
	found, err := filepath.Glob("/proc/[0-9]*/status")
	require.NoError(b.T, err)
	var peak int64
	for _, path := range found {
		text, _ := os.ReadFile(path)
		fields := map[string]string{}
		for line := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(line, ":"); ok {
				fields[key] = strings.TrimSpace(value)
			}
		}
		if fields["Name"] == "worker" && fields["PPid"] == strconv.Itoa(os.Getpid()) {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(fields["VmHWM"], " kB"), 10, 64)
			require.NoError(b.T, err)
			peak = max(peak, kilobytes<<10)
		}
	}
	require.Positive(b.T, peak, "there is no worker process")
	return peak
}

// file writes a file of size bytes, random or, if sparse, empty.
func file(t *testing.T, path string, size int64, sparse bool) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	if sparse {
		require.NoError(t, f.Truncate(size))
		return
	}
	noise, block := rand.NewChaCha8([32]byte{1}), make([]byte, 1<<20)
	for left := size; left > 0; left -= int64(len(block)) {
		_, _ = noise.Read(block)
		_, err := f.Write(block[:min(left, int64(len(block)))])
		require.NoError(t, err)
	}
}

// run executes a tool and returns its duration; 0 if the tool is not installed.
func run(t *testing.T, tool string, args ...string) time.Duration {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	began := time.Now()
	out, err := exec.CommandContext(ctx, tool, args...).CombinedOutput()
	require.NoError(t, err, "%s: %s", tool, out)
	return time.Since(began)
}

func TestBench(t *testing.T) {
	var result table
	defer result.print()
	t.Run("check", func(t *testing.T) { check(t, &result) })
	t.Run("loopback", func(t *testing.T) { loopback(t, &result) })
	t.Run("memory", func(t *testing.T) { memory(t, &result) })
	t.Run("latency", func(t *testing.T) { latency(t, &result) })
	t.Run("small files", func(t *testing.T) { smallFiles(t, &result) })
	t.Run("throughput", func(t *testing.T) { throughput(t, &result) })
	t.Run("following", func(t *testing.T) { following(t, &result) })
}

// check compares the check of a file, with its SHA-256 and one exact total, with awk, which only adds up the column.
// Both use one core.
func check(t *testing.T, result *table) {
	path := filepath.Join(t.TempDir(), "gl.csv")
	size := ledger(t, path)
	form := verify.FormOf(path, verify.Expect{Totals: map[string]string{"BALANCE": "0"}})
	var theirs, ours []time.Duration
	for range rounds {
		theirs = append(theirs, run(t, "awk", "-F,", `{sum += $7} END {printf "%.2f", sum}`, path))
		file, err := os.Open(path)
		require.NoError(t, err)
		began := time.Now()
		found, err := verify.ReadFigures(file, form, nil)
		ours = append(ours, time.Since(began))
		require.NoError(t, err)
		require.NoError(t, file.Close())
		require.EqualValues(t, ledgerRows, *found.Rows)
	}
	result.compare("check of 110 MB, one exact total", "awk", shortest(theirs), shortest(ours), size)
}

const ledgerRows = 2_000_000

// ledger writes a ledger with amounts in its seventh column, and returns its size.
func ledger(t *testing.T, path string) int64 {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	w, random := bufio.NewWriter(file), rand.New(rand.NewPCG(1, 1))
	fmt.Fprintln(w, "AS_OF_DATE,LEDGER_ID,ACCOUNT,ORG_UNIT,CURRENCY,PRODUCT,BALANCE,COST")
	for range ledgerRows {
		fmt.Fprintf(w, "2026-10-31,100,%d,%d,USD,P%03d,%.2f,%.2f\n", 100_000+random.IntN(900_000), 1000+random.IntN(9000),
			random.IntN(1000), 1e7*(random.Float64()-0.5), 1e5*random.Float64())
	}
	require.NoError(t, w.Flush())
	info, err := file.Stat()
	require.NoError(t, err)
	return info.Size()
}

// loopback compares the transfer of a large file with curl, and with tools that use several connections. These verify
// nothing, so that the comparison includes scripts that do.
func loopback(t *testing.T, result *table) {
	objects := t.TempDir()
	b := newBench(t, harness.Options{Simulator: simulator.Options{Dir: objects}})
	source, target := filepath.Join(b.Inbox, "gl.dat"), filepath.Join(b.Reports, "theirs.dat")
	file(t, source, large, false)
	ca := []string{"-sSf", "--cacert", b.Sim.CAFile()}
	checksums := func(path string) time.Duration {
		return run(t, "sh", "-c", `sha256sum "$1" & md5sum "$1"; wait`, "sh", path)
	}
	times := map[string][]time.Duration{}
	took := func(tool string, d time.Duration) time.Duration {
		times[tool] = append(times[tool], d)
		return d
	}
	upload := func(tool string, by func(url string) time.Duration) time.Duration {
		forget(t, objects)
		_, url := b.uploadURL(large)
		return took(tool, by(url))
	}
	b.upload("inbox/gl.dat") // warms the caches
	var id string
	for range rounds { // in turn, so that other load affects all alike
		curl := upload("curl", func(url string) time.Duration { return run(t, "curl", append(ca, "-T", source, url)...) })
		took("curl, checksums", curl+checksums(source))
		upload("curl parts", func(url string) time.Duration { return b.curlParts(source, url, 16<<20) })
		upload("ours", func(string) (d time.Duration) { d, id = b.upload("inbox/gl.dat"); return d })
	}
	compare := func(what, name, tool string) {
		result.compare(what, name, shortest(times[tool]), shortest(times["ours"]), large)
	}
	compare("upload 1 GiB", "curl", "curl")
	compare("upload 1 GiB, 4 parts at once", "curl", "curl parts")
	compare("upload 1 GiB, with its checksums as ours", "curl, sha256sum, md5sum", "curl, checksums")
	clear(times)
	// Ours is synced to the disk, with its checksum.
	download := func(tool string, d time.Duration) {
		if took(tool, d) == 0 {
			took(tool+", checked", 0)
			return
		}
		took(tool+", checked", d+run(t, "sync", target)+run(t, "sha256sum", target))
		require.NoError(t, os.Remove(target))
	}
	for range rounds {
		download("curl", run(t, "curl", append(ca, "-o", target, b.downloadURL(id))...))
		download("rclone", b.rclone(b.downloadURL(id), target))
		took("ours", b.download(id, "reports/ours.dat"))
		require.NoError(t, os.Remove(filepath.Join(b.Reports, "ours.dat")))
	}
	compare("download 1 GiB", "curl", "curl")
	compare("download 1 GiB, 4 ranges at once", "rclone", "rclone")
	compare("download 1 GiB, synced and checked as ours", "curl, sync, sha256sum", "curl, checked")
	compare("download 1 GiB, 4 ranges, synced and checked", "rclone, sync, sha256sum", "rclone, checked")
}

// forget removes the bytes in the store that are not read again. Otherwise the benchmark would measure the allocation
// of memory for each file.
func forget(t *testing.T, objects string) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(objects, "segment-*"))
	require.NoError(t, err)
	for _, path := range segments {
		require.NoError(t, os.Truncate(path, 0))
	}
}

func shortest(all []time.Duration) time.Duration {
	least := all[0]
	for _, d := range all {
		least = min(least, d)
	}
	return least
}

// curlParts uploads in parts with curl, without checks. The parts are split beforehand.
func (b *bench) curlParts(source, url string, size int64) time.Duration {
	t := b.T.(*testing.T)
	dir := t.TempDir()
	run(t, "split", "-b", fmt.Sprint(size), "-a", "4", "-d", source, filepath.Join(dir, "part"))
	parts, err := filepath.Glob(filepath.Join(dir, "part*"))
	require.NoError(t, err)
	began := time.Now()
	out, err := exec.Command("curl", "-sSf", "--cacert", b.Sim.CAFile(), "-X", "PUT", "-H", "opc-multipart: true", "-H", "Content-Length: 0", url).Output()
	require.NoError(t, err)
	_, uri, _ := bytes.Cut(out, []byte(`"accessUri":"`))
	uri, _, _ = bytes.Cut(uri, []byte(`"`))
	access := origin(t, url) + string(uri)
	args := []string{"-sSf", "--cacert", b.Sim.CAFile(), "-Z", "--parallel-max", "4"}
	for i, part := range parts {
		args = append(args, "-T", part, access+strconv.Itoa(i+1))
	}
	if run(t, "curl", args...) == 0 {
		return 0
	}
	run(t, "curl", "-sSf", "--cacert", b.Sim.CAFile(), "-X", "POST", "-H", "Content-Length: 0", access)
	return time.Since(began)
}

// rclone downloads a file in four ranges in parallel, with its backend for HTTP.
func (b *bench) rclone(from, target string) time.Duration {
	t := b.T.(*testing.T)
	u, err := url.Parse(from)
	require.NoError(t, err)
	dir, name := filepath.Split(u.EscapedPath())
	return run(t, "rclone", "copyto", "--config", "/dev/null", "--ca-cert", b.Sim.CAFile(), "--http-url", origin(t, from)+dir,
		"--multi-thread-streams", "4", "--multi-thread-cutoff", "1M", ":http:"+name, target)
}

func origin(t *testing.T, text string) string {
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u.Scheme + "://" + u.Host
}

// memory measures a worker that uploads and downloads one file.
func memory(t *testing.T, result *table) {
	var peaks []int64
	for _, size := range []int64{large, huge} {
		t.Run(fmt.Sprint(size>>30, " GiB"), func(t *testing.T) {
			b := newBench(t, harness.Options{})
			file(t, filepath.Join(b.Inbox, "gl.dat"), size, true)
			_, id := b.upload("inbox/gl.dat")
			b.download(id, "reports/gl.dat")
			peaks = append(peaks, b.peak())
		})
	}
	require.Len(t, peaks, 2)
	mib := func(bytes int64) string { return fmt.Sprintf("%d MiB", bytes>>20) }
	result.add("worker's peak memory at 10 GiB", "at 1 GiB "+mib(peaks[0]), mib(peaks[1]), fmt.Sprintf("%.2f", float64(peaks[1])/float64(peaks[0])))
	require.Less(t, float64(peaks[1])/float64(peaks[0]), 1.15, "the worker's memory must not grow with the file")
}

// smallFiles compares the upload of a folder with the bare calls at the same concurrency, which verify and record
// nothing.
func smallFiles(t *testing.T, result *table) {
	const files, atOnce = 10_000, 8
	b := newBench(t, harness.Options{})
	content := []byte(harness.Ledger(100))
	for i := range files {
		b.Write(b.Inbox, fmt.Sprintf("extracts/part-%05d.csv", i), string(content))
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b.Sim.CAPEM())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: atOnce}}
	var group errgroup.Group
	group.SetLimit(atOnce)
	began := time.Now()
	for range files {
		group.Go(func() error {
			_, url := b.uploadURL(int64(len(content)))
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, bytes.NewReader(content))
			if err != nil {
				return err
			}
			response, err := client.Do(request)
			if err != nil {
				return err
			}
			return response.Body.Close()
		})
	}
	require.NoError(t, group.Wait())
	theirs := time.Since(began)
	var sent workflows.FileResult
	id := b.execute(workflows.UploadFile, workflows.UploadFileInput{Connection: b.Connection, File: "inbox/extracts/"}, &sent)
	require.EqualValues(t, files, sent.Files)
	ours := b.took(id, "PutFolder")
	rate := func(d time.Duration) string { return fmt.Sprintf("%.0f files/s", files/d.Seconds()) }
	result.add("10,000 small files in one step", "bare calls "+rate(theirs), rate(ours), fmt.Sprintf("%.2f", theirs.Seconds()/ours.Seconds()))
	result.add("its history", "", fmt.Sprintf("%d events", len(b.History(id, ""))), "")
}

// latency measures a link of 50 ms on which a connection has 1 MiB in transit.
func latency(t *testing.T, result *table) {
	slow, err := newLink(roundTrip, window)
	require.NoError(t, err)
	defer slow.Close()
	b := newBench(t, harness.Options{
		Simulator: simulator.Options{ObjectStoreHost: slow.Addr().String()},
		Settings:  map[string]string{"connection.transfer.parallel": strconv.Itoa(streams)},
	})
	server, err := url.Parse(b.Sim.BaseURL())
	require.NoError(t, err)
	go slow.serve("127.0.0.1:" + server.Port())
	source, target := filepath.Join(b.Inbox, "gl.dat"), filepath.Join(b.Reports, "theirs.dat")
	file(t, source, far, false)
	_, to := b.uploadURL(far)
	theirs := run(t, "curl", "-sSf", "--cacert", b.Sim.CAFile(), "-T", source, to)
	ours, id := b.upload("inbox/gl.dat")
	result.compare(fmt.Sprintf("upload 192 MiB over 50 ms, %d parts to one stream", streams), "curl", theirs, ours, far)
	require.Greater(t, theirs.Seconds()/ours.Seconds(), 4.0, "parallel parts beat one stream by at least 4 times")
	theirs = run(t, "curl", "-sSf", "--cacert", b.Sim.CAFile(), "-o", target, b.downloadURL(id))
	ours = b.download(id, "reports/ours.dat")
	result.compare(fmt.Sprintf("download 192 MiB over 50 ms, %d parts to one stream", streams), "curl", theirs, ours, far)
	require.Greater(t, theirs.Seconds()/ours.Seconds(), 4.0, "parallel ranges beat one stream by at least 4 times")
}
