package parstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/internal/simulator/simtest"
)

const testPart = 64 << 10

type fault = simulator.Fault

// tenant is the simulated service with its object store, and a client whose parts are small.
type tenant struct {
	*simulator.Simulator
	t       testing.TB
	service *pbsm.Client
	objects *Client
}

func newTenant(t *testing.T, o simulator.Options) *tenant {
	t.Helper()
	n := tenantOf(t, simtest.Start(t, o))
	n.objects = n.client(Options{})
	return n
}

func tenantOf(t testing.TB, sim *simulator.Simulator) *tenant {
	t.Helper()
	return &tenant{Simulator: sim, t: t, service: simtest.Service(t, sim)}
}

// client cuts files into parts of 64 KiB.
func (n *tenant) client(o Options) *Client {
	n.t.Helper()
	o.CAFile = n.CAFile()
	o.PARHosts, o.PartSize = []string{"127.0.0.1"}, testPart
	if o.Threshold == 0 {
		o.Threshold = 2 * testPart
	}
	c, err := New(o)
	require.NoError(n.t, err)
	n.t.Cleanup(c.Close)
	return c
}

// announce returns a file's id and the URL to send it to.
func (n *tenant) announce(size int64) (int64, string) {
	n.t.Helper()
	par, err := n.service.CreateUploadPAR(n.t.Context(), pbsm.UploadRequest{FileName: "gl.csv", FileSize: size})
	require.NoError(n.t, err)
	id, err := strconv.ParseInt(par.FileID, 10, 64)
	require.NoError(n.t, err)
	return id, par.PAR.Expose()
}

func (n *tenant) stored(id int64) []byte {
	n.t.Helper()
	r, err := n.Object(id)
	require.NoError(n.t, err)
	defer r.Close()
	content, err := io.ReadAll(r)
	require.NoError(n.t, err)
	return content
}

// upload stores a file and returns the URL to receive it from.
func (n *tenant) upload(content []byte) string {
	n.t.Helper()
	id, url := n.announce(int64(len(content)))
	_, err := n.objects.Upload(n.t.Context(), url, uploadOf(content, nil, nil))
	require.NoError(n.t, err)
	par, err := n.service.CreateDownloadPARByID(n.t.Context(), fmt.Sprint(id))
	require.NoError(n.t, err)
	return par.Expose()
}

func (n *tenant) count(call string) (entries int, in, out int64) {
	for _, e := range n.Journal() {
		if e.Call == call {
			entries, in, out = entries+1, in+e.In, out+e.Out
		}
	}
	return entries, in, out
}

// leftAtTheStore is the number of files with the object store's bytes.
func (n *tenant) leftAtTheStore() int {
	n.t.Helper()
	files, err := os.ReadDir(filepath.Join(filepath.Dir(n.CAFile()), "objects"))
	require.NoError(n.t, err)
	return len(files)
}

type memory []byte

// uploadOf is an upload of a file in memory.
func uploadOf(content, resume []byte, save func([]byte)) Upload {
	return Upload{Source: memory(content), Size: int64(len(content)), Resume: resume, Save: save}
}

func (m memory) Section(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(bytes.NewReader(m), offset, length)), nil
}

// memoryTarget is a target in memory. held is what an earlier attempt left.
type memoryTarget struct {
	mu    sync.Mutex
	bytes []byte
	parts int
	held  []byte
}

func (d *memoryTarget) Bytes() []byte { return d.bytes }

func (d *memoryTarget) Resume(_ context.Context, size int64, sum []byte) (string, error) {
	if size > int64(len(d.held)) {
		return "it is not there", nil
	}
	if got := sha256.Sum256(d.held[:size]); !bytes.Equal(got[:], sum) {
		return "it is damaged", nil
	}
	d.bytes = bytes.Clone(d.held[:size])
	return "", nil
}

func (d *memoryTarget) Reset(_ context.Context, parts int) error {
	d.bytes, d.parts = nil, parts
	return nil
}

func (d *memoryTarget) WritePart(_ context.Context, number int, offset int64, p []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if number < 1 || number == 1 && offset != 0 {
		return fmt.Errorf("part %d is not at %d", number, offset)
	}
	if missing := int(offset) + len(p) - len(d.bytes); missing > 0 {
		d.bytes = append(d.bytes, make([]byte, missing)...)
	}
	copy(d.bytes[offset:], p)
	return nil
}

// later is the target of another attempt.
func (d *memoryTarget) later() *memoryTarget { return &memoryTarget{held: bytes.Clone(d.bytes)} }

func noise(size int) []byte {
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size)}).Read(content)
	return content
}

func sha(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// notes are what a transfer saved.
type notes struct {
	mu   sync.Mutex
	last []byte
	most int
	n    int
}

func (s *notes) save(state []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.most, s.n = state, max(s.most, len(state)), s.n+1
}

func TestUpload_inParts(t *testing.T) {
	n := newTenant(t, simulator.Options{})
	for _, buffered := range []int64{maxBuffer, 1 << 10} { // held in memory, and read twice
		for _, size := range []int{
			2, testPart, 2*testPart - 1, 2 * testPart, 2*testPart + 1, 10 * testPart, 10*testPart + 17,
		} {
			t.Run(fmt.Sprint(buffered, "/", size), func(t *testing.T) {
				c := n.client(Options{Parallel: 3})
				c.buffered = buffered
				content := noise(size)
				id, url := n.announce(int64(size))
				digest := sha256.New().(Digest)
				var done atomic.Int64
				up := uploadOf(content, nil, nil)
				up.Digest, up.Progress = digest, done.Store
				sent, err := c.Upload(t.Context(), url, up)
				require.NoError(t, err)
				assert.Equal(t, sha(content), sent.SHA256)
				assert.Equal(t, sha(content), hex.EncodeToString(digest.(interface{ Sum([]byte) []byte }).Sum(nil)))
				assert.EqualValues(t, size, sent.Bytes)
				assert.EqualValues(t, size, done.Load())
				assert.NotEmpty(t, sent.ETag)
				assert.Equal(t, size >= 2*testPart, strings.Contains(sent.MD5, "-"), "in parts from the threshold on")
				assert.True(t, bytes.Equal(content, n.stored(id)))
			})
		}
	}
	for _, e := range n.Journal() {
		assert.Empty(t, e.Note)
	}
}

func TestPartSizeFor_tenTerabytes(t *testing.T) {
	for _, size := range []int64{1, 1 << 30, 100 << 30, 160 << 30, 10e12, 10 << 40} {
		for _, atOnce := range []int{1, 4, 7, 64} {
			part := partSizeFor(size, DefaultPartSize, atOnce)
			assert.LessOrEqual(t, (size+part-1)/part, int64(maxParts))
			assert.GreaterOrEqual(t, part, int64(minPartSize))
			assert.LessOrEqual(t, part, int64(maxPartSize))
		}
	}
}

// A last round of few parts would leave the other streams idle.
func TestPartSizeFor_fillsTheLastRound(t *testing.T) {
	for _, c := range []struct{ size, wanted, atOnce, want int64 }{
		{16 << 20, 16 << 20, 8, 16 << 20}, // one request
		{192 << 20, 16 << 20, 8, 12 << 20},
		{64 << 20, 16 << 20, 8, minPartSize}, // the least that the store takes
		{1 << 30, 16 << 20, 4, 16 << 20},
		{1<<30 + 1, 16 << 20, 4, (1<<30 + 1 + 67) / 68},
		{50 * testPart, testPart, 8, testPart}, // as small as wanted
	} {
		assert.Equal(t, c.want, partSizeFor(c.size, c.wanted, int(c.atOnce)), "%+v", c)
	}
}

// An attempt may fail at any call to the store. The next one, on another worker, resumes it.
func TestUpload_resumes(t *testing.T) {
	n := newTenant(t, simulator.Options{})
	const parts = 12
	content := noise(parts * testPart)
	for _, after := range []int{0, 1, 5, 11} {
		t.Run(fmt.Sprintf("after %d parts", after), func(t *testing.T) {
			id, url := n.announce(int64(len(content)))
			_, before, _ := n.count("part-put")
			state := &notes{}
			n.Inject(fault{Call: "part-put", Kind: simulator.FaultStatus, Status: 400, After: after})
			first := n.client(Options{Parallel: 3})
			up := uploadOf(content, nil, state.save)
			up.Digest = sha256.New().(Digest)
			_, err := first.Upload(t.Context(), url, up)
			require.False(t, requireError(t, err).Temporary)
			n.ClearFaults()

			digest := sha256.New().(Digest)
			sent, err := n.client(Options{Parallel: 3}).Upload(t.Context(), url, Upload{
				Source: memory(content), Size: int64(len(content)), Save: state.save, Resume: state.last, Digest: digest,
			})
			require.NoError(t, err)
			assert.Equal(t, sha(content), sent.SHA256)
			assert.Equal(t, sha(content), hex.EncodeToString(digest.(interface{ Sum([]byte) []byte }).Sum(nil)))
			assert.True(t, bytes.Equal(content, n.stored(id)))
			_, all, _ := n.count("part-put")
			assert.LessOrEqual(t, all-before, int64(len(content)+3*testPart), "at most one part per stream is sent twice")
			assert.Less(t, state.most, 2<<10, "the state is small")
		})
	}
}

// The state may have been saved by another release.
func TestUpload_unreadableState(t *testing.T) {
	n := newTenant(t, simulator.Options{})
	content := noise(4 * testPart)
	_, url := n.announce(int64(len(content)))
	state := &notes{}
	up := uploadOf(content, nil, state.save)
	up.Digest = sha256.New().(Digest)
	_, err := n.objects.Upload(t.Context(), url, up)
	require.NoError(t, err)
	var old uploadState
	require.NoError(t, json.Unmarshal(state.last, &old))
	old.SHA256 = []byte("another form")
	left, err := json.Marshal(old)
	require.NoError(t, err)
	for range 10 { // the digests are read in random order
		digest := sha256.New()
		up := uploadOf(content, left, nil)
		up.Digest = digest.(Digest)
		_, err = n.objects.Upload(t.Context(), url, up)
		require.NoError(t, err)
		require.Equal(t, sha(content), hex.EncodeToString(digest.Sum(nil)))
	}
}

func TestUpload_doesNotResendPartsThatAreAhead(t *testing.T) {
	n := newTenant(t, simulator.Options{})
	const parts = 12
	content := noise(parts * testPart)
	id, url := n.announce(int64(len(content)))
	n.Inject(fault{Call: "part-put", Kind: simulator.FaultDelayBefore, Delay: time.Minute, Times: 1},
		fault{Call: "part-put", Kind: simulator.FaultStatus, Status: 400, After: 5})
	state := &notes{}
	_, err := n.client(Options{Parallel: 3}).Upload(t.Context(), url, uploadOf(content, nil, state.save))
	requireError(t, err)
	n.ClearFaults()
	var left uploadState
	require.NoError(t, json.Unmarshal(state.last, &left))
	require.NotEmpty(t, left.Ahead)

	second := n.client(Options{Parallel: 3, UserAgent: "second"})
	sent, err := second.Upload(t.Context(), url, uploadOf(content, state.last, nil))
	require.NoError(t, err)
	assert.Equal(t, sha(content), sent.SHA256)
	assert.True(t, bytes.Equal(content, n.stored(id)))
	again := 0
	for _, e := range n.Journal() {
		if e.Call == "part-put" && e.UserAgent == "second" {
			again++
		}
	}
	assert.Equal(t, parts-left.Done-len(left.Ahead), again)
}

func TestUpload_stateStaysSmall(t *testing.T) {
	n := newTenant(t, simulator.Options{})
	content := noise(400 * testPart)
	_, url := n.announce(int64(len(content)))
	state := &notes{}
	_, err := n.objects.Upload(t.Context(), url, uploadOf(content, nil, state.save))
	require.NoError(t, err)
	assert.Less(t, state.most, 2<<10)
	assert.LessOrEqual(t, state.n, 401)
}

// Whatever happens to one request, the file arrives, or nothing is left of it.
func TestUpload_faults(t *testing.T) {
	tests := map[string]struct {
		fault fault
		want  string // of the error; empty where the upload overcomes it
	}{
		"busy once":                        {fault{Call: "part-put", Kind: simulator.FaultStatus, Times: 2, After: 3}, ""},
		"damaged in transit":               {fault{Call: "part-put", Kind: simulator.FaultCorrupt, Times: 1, After: 2}, ""},
		"connection lost":                  {fault{Call: "part-put", Kind: simulator.FaultTruncate, Times: 1, After: 2}, ""},
		"response lost":                    {fault{Call: "part-put", Kind: simulator.FaultCloseAfter, Times: 1}, ""},
		"stored too short":                 {fault{Call: "part-put", Kind: simulator.FaultWrongLength, Times: 1}, ""},
		"commit busy":                      {fault{Call: "multipart-commit", Kind: simulator.FaultStatus, Times: 1}, ""},
		"response to the commit lost":      {fault{Call: "multipart-commit", Kind: simulator.FaultCloseAfter, Times: 1}, ""},
		"head busy":                        {fault{Call: "object-head", Kind: simulator.FaultStatus, Times: 1}, ""},
		"expired before the commit's HEAD": {fault{Call: "object-head", Kind: simulator.FaultExpirePAR}, ""},
		"redirected":                       {fault{Call: "part-put", Kind: simulator.FaultRedirect, After: 1}, "a redirect, which is not followed"},
		"refused":                          {fault{Call: "part-put", Kind: simulator.FaultStatus, Status: 400, After: 1}, "HTTP 400"},
		"upload expired":                   {fault{Call: "part-put", Kind: simulator.FaultExpirePAR, After: 4}, "a new one is needed"},
		"no accessUri":                     {fault{Call: "multipart-create", Kind: simulator.FaultMalform}, "is damaged"},
	}
	content := noise(8 * testPart)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newTenant(t, simulator.Options{})
			id, url := n.announce(int64(len(content)))
			n.Inject(tt.fault)
			state := &notes{}
			sent, err := n.objects.Upload(t.Context(), url, uploadOf(content, nil, state.save))
			if tt.want == "" {
				require.NoError(t, err)
				assert.Equal(t, sha(content), sent.SHA256)
				assert.True(t, bytes.Equal(content, n.stored(id)))
				return
			}
			require.ErrorContains(t, err, tt.want)
			requireError(t, err)
			_, err = n.Object(id)
			require.Error(t, err, "there is no such object")
			n.ClearFaults()
			require.NoError(t, n.objects.Discard(t.Context(), state.last))
			for _, e := range n.Journal() {
				assert.NotContains(t, e.Note, "redirect")
			}
			if tt.fault.Kind != simulator.FaultExpirePAR { // an expired URL cannot discard
				empty := func() bool { return n.leftAtTheStore() == 0 } // a part may still have been in transfer
				assert.Eventually(t, empty, 10*time.Second, 10*time.Millisecond)
			}
		})
	}
}

// When the response to a commit was lost and the store is busy, a later attempt asks again whether it was committed.
func TestUpload_doesNotResendACommittedUploadWhileTheStoreIsBusy(t *testing.T) {
	n := newTenant(t, simulator.Options{})
	const parts = 6
	content := noise(parts * testPart)
	id, url := n.announce(int64(len(content)))
	n.Inject(fault{Call: "multipart-commit", Kind: simulator.FaultCloseAfter, Times: 1},
		fault{Call: "object-head", Kind: simulator.FaultStatus, Times: 2 * attempts})
	state := &notes{}
	for range 2 {
		_, err := n.objects.Upload(t.Context(), url, uploadOf(content, state.last, state.save))
		e := requireError(t, err)
		require.True(t, e.Temporary)
		require.False(t, e.Expired)
	}
	sent, err := n.objects.Upload(t.Context(), url, uploadOf(content, state.last, nil))
	require.NoError(t, err)
	assert.Equal(t, sha(content), sent.SHA256)
	assert.True(t, bytes.Equal(content, n.stored(id)))
	puts, _, _ := n.count("part-put")
	assert.Equal(t, parts, puts)
}

func TestUpload_writeOnlyURL(t *testing.T) {
	n := newTenant(t, simulator.Options{Quirks: simulator.Quirks{simulator.UploadPARWriteOnly}})
	content := noise(5 * testPart)
	id, url := n.announce(int64(len(content)))
	_, err := n.objects.Upload(t.Context(), url, uploadOf(content, nil, nil))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(content, n.stored(id)))
}

// When an upload's own URL expires before the one it began with, it starts over.
func TestUpload_expiredURLs(t *testing.T) {
	n := newTenant(t, simulator.Options{})
	content := noise(6 * testPart)
	id, url := n.announce(int64(len(content)))
	state := &notes{}
	n.Inject(fault{Call: "part-put", Kind: simulator.FaultExpirePAR, After: 3, Times: 1})
	_, err := n.objects.Upload(t.Context(), url, uploadOf(content, nil, state.save))
	require.True(t, requireError(t, err).Expired)
	begun, _, _ := n.count("multipart-create")
	require.Equal(t, 1, begun)
	sent, err := n.objects.Upload(t.Context(), url, uploadOf(content, state.last, state.save))
	require.NoError(t, err)
	assert.Equal(t, sha(content), sent.SHA256)
	assert.True(t, bytes.Equal(content, n.stored(id)))
	begun, _, _ = n.count("multipart-create")
	assert.Equal(t, 2, begun, "the URL of the file was still good")

	n.ExpirePARs()
	_, err = n.objects.Upload(t.Context(), url, uploadOf(content, state.last, nil))
	require.True(t, requireError(t, err).Expired)
}

func TestUpload_refusesAnAccessURIOnAnotherHost(t *testing.T) {
	for _, uri := range []string{
		"https://evil.example.com/p/x/u/o/id/1/", "//evil.example.com/p/x", "http://127.0.0.1/p/x", "p/x",
	} {
		s, c := newStore(t, func(_ *store, w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"accessUri": %q}`, uri)
		})
		c.threshold = 1
		_, err := c.Upload(t.Context(), s.URL+parPath, Upload{Source: memory("x"), Size: 1})
		requireError(t, err)
		require.ErrorContains(t, err, "accessUri")
	}
}

func TestUpload_wrongCommit(t *testing.T) {
	wrong := base64.StdEncoding.EncodeToString(make([]byte, 16)) + "-1"
	for name, head := range map[string]func(http.ResponseWriter){
		"another MD5":  func(w http.ResponseWriter) { w.Header().Set("opc-multipart-md5", wrong) },
		"another size": func(w http.ResponseWriter) { w.Header().Set("Content-Length", "7") },
		"nothing":      func(w http.ResponseWriter) { w.WriteHeader(404) },
	} {
		t.Run(name, func(t *testing.T) {
			s, c := newStore(t, func(_ *store, w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Header.Get("opc-multipart") != "":
					_, _ = io.WriteString(w, `{"accessUri": "/p/u/"}`)
				case r.Method == http.MethodHead:
					head(w)
					if w.Header().Get("Content-Length") == "" {
						w.Header().Set("Content-Length", "1")
					}
				case r.Method == http.MethodPost:
					w.Header().Set("opc-multipart-md5", wrong)
				default:
					_, _ = io.Copy(io.Discard, r.Body)
				}
			})
			c.threshold = 1
			state := &notes{last: []byte("x")}
			_, err := c.Upload(t.Context(), s.URL+parPath, Upload{Source: memory("x"), Size: 1, Save: state.save})
			require.True(t, requireError(t, err).Temporary)
			assert.Nil(t, state.last, "nothing will resume it")
		})
	}
}

func TestDownload_inParts(t *testing.T) {
	n := newTenant(t, simulator.Options{})
	for _, size := range []int{2, testPart, testPart + 1, 10 * testPart, 10*testPart + 17} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			content := noise(size)
			url := n.upload(content)
			var to memoryTarget
			digest := sha256.New().(Digest)
			var done, total atomic.Int64
			got, err := n.client(Options{Parallel: 3}).Download(t.Context(), url, Download{
				Target: &to, Digest: digest, Progress: func(d, of int64) { done.Store(d); total.Store(of) },
			})
			require.NoError(t, err)
			assert.True(t, bytes.Equal(content, to.Bytes()))
			assert.Equal(t, sha(content), got.SHA256)
			assert.Equal(t, sha(content), hex.EncodeToString(digest.(interface{ Sum([]byte) []byte }).Sum(nil)))
			assert.EqualValues(t, size, got.Bytes)
			assert.EqualValues(t, size, done.Load())
			assert.EqualValues(t, size, total.Load())
			assert.NotEmpty(t, got.ETag)
			assert.Empty(t, got.StartOver)
		})
	}
}

// slowStart is a target that blocks part 1, and counts the parts that are written meanwhile.
type slowStart struct {
	memoryTarget
	release   chan struct{}
	meanwhile atomic.Int32
}

func (d *slowStart) WritePart(ctx context.Context, number int, offset int64, p []byte) error {
	if number == 1 {
		<-d.release
	} else {
		d.meanwhile.Add(1)
	}
	return d.memoryTarget.WritePart(ctx, number, offset, p)
}

// A crash costs at most one part per stream, however long one of them takes.
func TestDownload_doesNotRunAheadOfASlowPart(t *testing.T) {
	const parallel = 3
	n := newTenant(t, simulator.Options{})
	content := noise(20 * testPart)
	url := n.upload(content)
	to := &slowStart{release: make(chan struct{})}
	ended := make(chan error, 1)
	go func() {
		_, err := n.client(Options{Parallel: parallel}).Download(t.Context(), url, Download{Target: to})
		ended <- err
	}()
	require.Eventually(t, func() bool { return to.meanwhile.Load() == parallel-1 }, 10*time.Second, time.Millisecond)
	require.Never(t, func() bool { return to.meanwhile.Load() > parallel-1 }, 200*time.Millisecond, 5*time.Millisecond)
	close(to.release)
	require.NoError(t, <-ended)
	require.True(t, bytes.Equal(content, to.Bytes()))
}

func TestDownload_resumes(t *testing.T) {
	const parts = 12
	n := newTenant(t, simulator.Options{})
	content := noise(parts*testPart + 5)
	url := n.upload(content)
	interrupted := func(t *testing.T, after int) (*memoryTarget, *notes) {
		t.Helper()
		to, state := &memoryTarget{}, &notes{}
		n.Inject(fault{Call: "object-get", Kind: simulator.FaultExpirePAR, After: after, Times: 1})
		defer n.ClearFaults()
		_, err := n.client(Options{Parallel: 3}).Download(t.Context(), url, Download{
			Target: to, Save: state.save, Digest: sha256.New().(Digest),
		})
		require.True(t, requireError(t, err).Expired)
		par, err := n.service.CreateDownloadPARByID(t.Context(), fmt.Sprint(n.Files()[0].ID))
		require.NoError(t, err)
		url = par.Expose()
		return to, state
	}
	for _, after := range []int{0, 1, 5, 11} {
		t.Run(fmt.Sprintf("after %d parts", after), func(t *testing.T) {
			_, _, before := n.count("object-get")
			to, state := interrupted(t, after)
			to = to.later()
			digest := sha256.New().(Digest)
			got, err := n.client(Options{Parallel: 2}).Download(t.Context(), url, Download{
				Target: to, Resume: state.last, Save: state.save, Digest: digest,
			})
			require.NoError(t, err)
			assert.True(t, bytes.Equal(content, to.Bytes()))
			assert.Equal(t, sha(content), got.SHA256)
			assert.Equal(t, sha(content), hex.EncodeToString(digest.(interface{ Sum([]byte) []byte }).Sum(nil)))
			assert.Empty(t, got.StartOver)
			_, _, all := n.count("object-get")
			assert.LessOrEqual(t, all-before, int64(len(content)+3*testPart))
			if after >= 5 {
				assert.NotZero(t, got.Resumed)
			}
		})
	}
	for name, tt := range map[string]struct {
		spoil func(to *memoryTarget)
		want  string
	}{
		"on another disk": {func(to *memoryTarget) { to.held = nil }, "it is not there"},
		"damaged":         {func(to *memoryTarget) { to.held[testPart] ^= 1 }, "it is damaged"},
		"another version": {func(*memoryTarget) {
			n.Inject(fault{Call: "object-head", Kind: simulator.FaultChangedETag, Times: 1})
		}, "changed"},
	} {
		t.Run(name, func(t *testing.T) {
			to, state := interrupted(t, 8)
			to = to.later()
			tt.spoil(to)
			digest := sha256.New().(Digest)
			got, err := n.objects.Download(t.Context(), url, Download{Target: to, Resume: state.last, Digest: digest})
			require.NoError(t, err)
			assert.Contains(t, got.StartOver, tt.want)
			assert.Zero(t, got.Resumed)
			assert.True(t, bytes.Equal(content, to.Bytes()))
			assert.Equal(t, sha(content), got.SHA256)
			assert.Equal(t, sha(content), hex.EncodeToString(digest.(interface{ Sum([]byte) []byte }).Sum(nil)))
		})
	}
}

func TestDownload_resumesAfterAFailedCommit(t *testing.T) {
	n := newTenant(t, simulator.Options{})
	for name, size := range map[string]int{
		"the last part is a short one": 5*testPart + 100,
		"the last part is a whole one": 5 * testPart,
		"there is one part":            100,
	} {
		t.Run(name, func(t *testing.T) {
			content := noise(size)
			url := n.upload(content)
			receive := func(to *memoryTarget, digest Digest, state *notes) Received {
				got, err := n.objects.Download(t.Context(), url, Download{
					Target: to, Digest: digest, Resume: state.last, Save: state.save,
				})
				require.NoError(t, err)
				return got
			}
			to, state := &memoryTarget{}, &notes{}
			first := receive(to, sha256.New().(Digest), state)
			gets, _, _ := n.count("object-get")

			to, digest := to.later(), sha256.New()
			got := receive(to, digest.(Digest), state)
			assert.Equal(t, int64(size), got.Resumed)
			got.Resumed = 0
			assert.Equal(t, first, got)
			assert.Equal(t, sha(content), got.SHA256)
			assert.Equal(t, sha(content), hex.EncodeToString(digest.Sum(nil)))
			assert.True(t, bytes.Equal(content, to.Bytes()))
			after, _, _ := n.count("object-get")
			assert.Equal(t, gets, after)
		})
	}
}

func TestDownload_faults(t *testing.T) {
	tests := map[string]struct {
		fault fault
		want  string
	}{
		"busy once":        {fault{Call: "object-get", Kind: simulator.FaultStatus, Times: 2, After: 3}, ""},
		"truncated once":   {fault{Call: "object-get", Kind: simulator.FaultTruncate, Times: 1, After: 3}, ""},
		"head busy":        {fault{Call: "object-head", Kind: simulator.FaultStatus, Times: 1}, ""},
		"wrong length":     {fault{Call: "object-get", Kind: simulator.FaultWrongLength}, "the response has 65535 bytes, expected 65536"},
		"wrong range":      {fault{Call: "object-get", Kind: simulator.FaultWrongRange, After: 4}, "Content-Range is"},
		"range ignored":    {fault{Call: "object-get", Kind: simulator.FaultIgnoreRange}, ""},
		"then ignored":     {fault{Call: "object-get", Kind: simulator.FaultIgnoreRange, After: 4}, ""},
		"another version":  {fault{Call: "object-get", Kind: simulator.FaultChangedETag, After: 2}, "its ETag differs"},
		"redirected":       {fault{Call: "object-get", Kind: simulator.FaultRedirect, After: 2}, "a redirect, which is not followed"},
		"head redirected":  {fault{Call: "object-head", Kind: simulator.FaultRedirect}, "a redirect, which is not followed"},
		"expired":          {fault{Call: "object-get", Kind: simulator.FaultExpirePAR, After: 2}, "a new one is needed"},
		"HEAD not allowed": {fault{Call: "object-head", Kind: simulator.FaultStatus, Status: 405}, ""},
	}
	content := noise(8 * testPart)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newTenant(t, simulator.Options{})
			url := n.upload(content)
			n.Inject(tt.fault)
			var to memoryTarget
			digest := sha256.New()
			got, err := n.objects.Download(t.Context(), url, Download{Target: &to, Digest: digest.(Digest)})
			if tt.want == "" {
				require.NoError(t, err)
				assert.Equal(t, sha(content), got.SHA256)
				assert.Equal(t, sha(content), hex.EncodeToString(digest.Sum(nil)))
				assert.True(t, bytes.Equal(content, to.Bytes()))
				return
			}
			e := requireError(t, err)
			require.ErrorContains(t, err, tt.want)
			assert.Equal(t, tt.fault.Kind == simulator.FaultChangedETag, e.Changed)
			for _, e := range n.Journal() {
				assert.NotContains(t, e.Note, "redirect")
			}
		})
	}
	t.Run("damaged in transit", func(t *testing.T) {
		t.Parallel()
		n := newTenant(t, simulator.Options{})
		n.objects = n.client(Options{Threshold: 1 << 30}) // in one PUT: the store knows the MD5
		url := n.upload(content)
		n.Inject(fault{Call: "object-get", Kind: simulator.FaultCorrupt, After: 4, Times: 1})
		state := &notes{}
		_, err := n.objects.Download(t.Context(), url, Download{Target: &memoryTarget{}, Save: state.save})
		require.True(t, requireError(t, err).Temporary)
		require.ErrorContains(t, err, "Content-MD5 is")
		assert.Nil(t, state.last, "nothing will resume it")
	})
}

// Transfers share the slots of a client without blocking each other.
func TestTransfer_sharedClient(t *testing.T) {
	n := newTenant(t, simulator.Options{})
	c := n.client(Options{Parallel: 2})
	content := noise(20 * testPart)
	var group sync.WaitGroup
	for range 4 {
		id, url := n.announce(int64(len(content)))
		group.Go(func() {
			_, err := c.Upload(t.Context(), url, uploadOf(content, nil, nil))
			assert.NoError(t, err)
			par, err := n.service.CreateDownloadPARByID(t.Context(), fmt.Sprint(id))
			assert.NoError(t, err)
			var to memoryTarget
			_, err = c.Download(t.Context(), par.Expose(), Download{Target: &to})
			assert.NoError(t, err)
			assert.True(t, bytes.Equal(content, to.Bytes()))
		})
	}
	group.Wait()
}

func TestTransfer_bandwidth(t *testing.T) {
	n := newTenant(t, simulator.Options{})
	content := noise(1 << 20)
	from := n.upload(content)
	for name, transfer := range map[string]func(*Client) error{
		"upload": func(c *Client) error {
			_, url := n.announce(int64(len(content)))
			_, err := c.Upload(t.Context(), url, uploadOf(content, nil, nil))
			return err
		},
		"download": func(c *Client) error {
			_, err := c.Download(t.Context(), from, Download{Target: &memoryTarget{}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := n.client(Options{Bandwidth: 1 << 20})
			began := time.Now()
			require.NoError(t, transfer(c))
			took := time.Since(began)
			assert.Greater(t, took, 700*time.Millisecond, "except for the burst, the bytes of a second take a second")
			assert.Less(t, took, 2*time.Second)
		})
	}
}

func TestTransfer_cancel(t *testing.T) {
	n := newTenant(t, simulator.Options{})
	content := noise(10 * testPart)
	url := n.upload(content)
	gone := errors.New("the worker stops")
	for name, transfer := range map[string]func(ctx context.Context, stop func()) error{
		"upload": func(ctx context.Context, stop func()) error {
			_, to := n.announce(int64(len(content)))
			up := uploadOf(content, nil, nil)
			up.Progress = func(done int64) {
				if done > 3*testPart {
					stop()
				}
			}
			_, err := n.objects.Upload(ctx, to, up)
			return err
		},
		"download": func(ctx context.Context, stop func()) error {
			_, err := n.objects.Download(ctx, url, Download{Target: &memoryTarget{}, Progress: func(done, _ int64) {
				if done > 3*testPart {
					stop()
				}
			}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			err := transfer(ctx, func() { cancel(gone) })
			require.ErrorIs(t, err, gone)
		})
	}
}

func TestTransfer_releasesMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere the system or the garbage collector decides")
	}
	n := newTenant(t, simulator.Options{})
	c := n.client(Options{Parallel: 1})
	content := noise(10 * testPart)
	id, url := n.announce(int64(len(content)))
	inUse := func() bool { return slices.ContainsFunc(c.memory.bytes, func(b byte) bool { return b != 0 }) }
	used := false
	_, err := c.Upload(t.Context(), url, uploadOf(content, nil, func([]byte) { used = used || inUse() }))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(content, n.stored(id)))
	assert.True(t, used, "the part is in memory while it is sent")
	assert.False(t, inUse(), "no part is left in memory")
}
