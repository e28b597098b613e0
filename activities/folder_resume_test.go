package activities

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/testsuite"

	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

func TestAFolderIsNeverToldToBeMoreThanItIs(t *testing.T) {
	var most int64
	conn := &connection{}
	progress := &folderProgress{total: 30, underWay: map[string]fileUnderWay{}, t: &transfer{conn: conn}}
	progress.t.counted.counter = &moveCounter{}
	told := func() { most = max(most, progress.t.bytes.Load()) }
	list := &sentList{staging: nowhere{}, sent: map[string]bool{}, hash: sha256.New()}
	a, b := SentFile{File: "inbox/in/a.csv", Bytes: 10}, SentFile{File: "inbox/in/b.csv", Bytes: 20}
	for _, file := range []SentFile{a, b} {
		progress.begin(fileUnderWay{Version: FileInfo{File: file.File}})
		progress.moved(file.File, file.Bytes)
		told()
	}
	require.EqualValues(t, 30, most)
	require.NoError(t, list.add(a))
	require.NoError(t, list.add(b))
	progress.sent(b) // before the other one, which came into the list before it
	told()
	progress.sent(a)
	told()
	require.EqualValues(t, 30, most)
	require.EqualValues(t, 30, progress.t.counted.counter.(*moveCounter).Load())
}

// nowhere is a staging that takes everything.
type nowhere struct{ stores.StagedFile }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// A worker may die between the line of a file in the list and the heartbeat that takes the file off.
func TestAFileThatCameIntoTheListBeforeItsWorkerDiedIsToldOnce(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "in"), 0o755))
	text := strings.Repeat("x", 256<<10)
	put(t, filepath.Join(dir, "in"), map[string]string{"a.dat": text, "b.dat": glText})
	a, _ := withService(t, stores.Settings{URL: "file://" + dir})
	conn := a.connections["prod"]
	const sent = "inbox/in/a.dat"
	require.NoError(t, listed(t, a, sent).Suspend())
	engine, err := json.Marshal(map[string]fileUnderWay{
		sent: {Version: FileInfo{File: sent, Size: int64(len(text))}, Bytes: int64(len(text)), Engine: json.RawMessage(`{}`)}})
	require.NoError(t, err)
	saved, err := json.Marshal(savedTransfer{Folder: "inbox/in/", SaveTo: "inbox/in.sent.jsonl", Key: testKey, Engine: engine})
	require.NoError(t, err)

	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(a)
	env.SetHeartbeatDetails(TransferProgress{State: SealedTransfer(conn.sealer.Seal(string(saved), transferPurpose))})
	var most int64
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var p TransferProgress
		require.NoError(t, details.Get(&p))
		most = max(most, p.Done)
	})
	_, err = env.ExecuteActivity(a.PutFolder, PutFolderInput{Connection: "prod", Folder: "inbox/in/", ListTo: "inbox/in.sent.jsonl"})
	require.NoError(t, err)
	require.LessOrEqual(t, most, int64(len(text)+len(glText)))
}

// full is a staging on a disk that is full.
type full struct{ stores.StagedFile }

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestAFileWhoseLineCannotBeWrittenIsNotSentAnew(t *testing.T) {
	a, sim, _ := withFolder(t, map[string]string{"gl.dat": strings.Repeat("x", 512<<10)})
	var told TransferProgress
	transfer := &transfer{activity: t.Context(), conn: a.connections["prod"], saved: savedTransfer{Folder: "inbox/in/"}}
	transfer.beat = func(p TransferProgress) error {
		told = p
		return nil
	}
	transfer.counted.counter = &moveCounter{}
	files := slices.Collect(func(yield func(stores.Info) bool) {
		for file, err := range a.stores.List(t.Context(), "inbox/in/") {
			require.NoError(t, err)
			yield(file)
		}
	})
	try := func(staging stores.StagedFile) error {
		list := &sentList{staging: staging, sent: map[string]bool{}, hash: sha256.New()}
		progress := newFolderProgress(t.Context(), transfer, files, 512<<10, list)
		return a.putAndList(t.Context(), progress, list, PutFolderInput{Connection: "prod", Folder: "inbox/in/"}, files[0])
	}
	require.ErrorContains(t, try(full{}), "no space left")
	var err error
	transfer.saved, err = transfer.conn.openTransfer(told.State)
	require.NoError(t, err)
	require.NoError(t, try(nowhere{}))
	require.Len(t, sim.Files(), 1, "it was there already")
}

// While Temporal is away for longer than the heartbeat's timeout, an attempt does not learn that the next one begins.
func TestTheListOfAnAttemptThatLearnsLateThatItIsOverIsGoneOnWith(t *testing.T) {
	a, sim, _ := withFolder(t, map[string]string{"a.dat": glText, "b.dat": glText})
	in := PutFolderInput{Connection: "prod", Folder: "inbox/in/", ListTo: "inbox/in.sent.jsonl"}
	late := listed(t, a, "inbox/in/a.dat")
	time.AfterFunc(time.Second, func() { assert.NoError(t, late.Suspend()) })
	_, err := activityEnv(a).ExecuteActivity(a.PutFolder, in)
	require.NoError(t, err)
	require.Len(t, sim.Files(), 1, "a.dat was sent before")
}

// testKey is the key of what an activity's test leaves.
const testKey = "default-test-workflow-id"

// listed is the list of what was sent of inbox/in/, as an attempt has it after one file.
func listed(t *testing.T, a *Activities, ref string) stores.StagedFile {
	t.Helper()
	for file, err := range a.stores.List(t.Context(), ref) {
		require.NoError(t, err)
		line, err := json.Marshal(SentFile{File: file.Ref, FileID: "1", Bytes: file.Size, Modified: file.ModTime})
		require.NoError(t, err)
		list, err := a.stores.Stage(t.Context(), "inbox/in.sent.jsonl", testKey)
		require.NoError(t, err)
		_, err = list.Write(append(line, '\n'))
		require.NoError(t, err)
		return list
	}
	t.Fatal(ref, "is not there")
	return nil
}

// What an attempt that is over lists would replace the list of the one that counts, whose files have other ids.
func TestAListIsCommittedOnlyByTheAttemptThatCounts(t *testing.T) {
	a, sim, dir := withFolder(t, map[string]string{"a.dat": glText})
	send := func(answer error) error {
		temporal := mocks.NewClient(t)
		temporal.On("RecordActivityHeartbeat", mock.Anything, mock.Anything, mock.Anything).Return(answer)
		a.temporal = temporal
		_, err := activityEnv(a).ExecuteActivity(a.PutFolder, PutFolderInput{Connection: "prod", Folder: "inbox/in/", ListTo: "inbox/in.sent.jsonl"})
		return err
	}
	failed := applicationError(t, send(serviceerror.NewNotFound("activity not found")))
	require.Equal(t, Unavailable, failed.Type())
	require.ErrorContains(t, failed, "not known from Temporal whether this attempt still counts")
	require.NoFileExists(t, filepath.Join(dir, "in.sent.jsonl"))

	require.NoError(t, send(nil))
	require.FileExists(t, filepath.Join(dir, "in.sent.jsonl"))
	require.Len(t, sim.Files(), 1, "the list was left")
}

// A second run of the same workflow goes on with the list of the first.
func TestWhatAnEarlierRunSentIsNotMeasuredAgain(t *testing.T) {
	a, _, _ := withFolder(t, map[string]string{"a.dat": glText, "b.dat": glText})
	moves := &moves{MetricsHandler: client.MetricsNopHandler}
	a.connections["prod"].seen.metrics = moves
	require.NoError(t, listed(t, a, "inbox/in/a.dat").Suspend())
	_, err := activityEnv(a).ExecuteActivity(a.PutFolder, PutFolderInput{Connection: "prod", Folder: "inbox/in/", ListTo: "inbox/in.sent.jsonl"})
	require.NoError(t, err)
	require.EqualValues(t, len(glText), moves.bytes(directionUpload))
}

// While Temporal is away a heartbeat takes ten seconds, and each part waits for one that tells of it.
func TestPartsOfAFolderThatEndTogetherShareAHeartbeat(t *testing.T) {
	const slow = 200 * time.Millisecond
	transfer := &transfer{conn: &connection{sealer: parstore.NewSealer("secret", "prod")}}
	transfer.counted.counter = &moveCounter{}
	var told SealedTransfer
	beats := 0 // one at a time
	transfer.beat = func(p TransferProgress) error {
		time.Sleep(slow)
		beats++
		told = p.State
		return nil
	}
	progress := &folderProgress{t: transfer, underWay: map[string]fileUnderWay{}}
	var ending sync.WaitGroup
	for i := range 20 {
		ending.Go(func() { progress.saved(fmt.Sprint(i), json.RawMessage(`{}`)) })
	}
	ending.Wait()
	require.Less(t, beats, 10)
	saved, err := transfer.conn.openTransfer(told)
	require.NoError(t, err)
	require.Len(t, openUnderWay(saved.Engine), 20)
}
