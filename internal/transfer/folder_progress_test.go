package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/stores"
)

func TestFolderProgress_isNeverMoreThanTheTotal(t *testing.T) {
	c := newCaller(nil)
	progress := &folderProgress{attempt: &c.Attempt, total: 30, files: map[string]fileProgress{}}
	var most int64
	report := func() { most = max(most, c.Progress().Done) }
	list := newSentList(nowhere{})
	a, b := SentFile{File: "inbox/in/a.csv", Bytes: 10}, SentFile{File: "inbox/in/b.csv", Bytes: 20}
	for _, file := range []SentFile{a, b} {
		progress.begin(fileProgress{Version: FileInfo{File: file.File}})
		progress.moved(file.File, file.Bytes)
		report()
	}
	require.EqualValues(t, 30, most)
	require.NoError(t, list.add(a))
	require.NoError(t, list.add(b))
	progress.listed(b) // before the other one, which came into the list before it
	report()
	progress.listed(a)
	report()
	require.EqualValues(t, 30, most)
	require.EqualValues(t, 30, c.moved.Load())
}

// nowhere is a staged file that takes everything.
type nowhere struct{ stores.StagedFile }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// A worker may die between writing a file's line to the list and saving that the file is not in progress any more.
func TestUploadFolder_countsAListedFileOnce(t *testing.T) {
	text := strings.Repeat("x", 256<<10)
	m, _, _ := withFiles(t, map[string]string{"a.dat": text, "b.dat": glText})
	const sent = "inbox/in/a.dat"
	require.NoError(t, listed(t, m, sent).Suspend())
	saved, err := json.Marshal(state{
		Folder: inFolder.Path, SaveTo: inFolder.ListTo, Key: inFolder.Key,
		Files: map[string]fileProgress{sent: {
			Version: FileInfo{File: sent, Size: int64(len(text))}, Bytes: int64(len(text)), UploadState: json.RawMessage(`{}`),
		}},
	})
	require.NoError(t, err)
	c := newCaller(saved)
	_, err = m.UploadFolder(t.Context(), &c.Attempt, inFolder)
	require.NoError(t, err)
	require.NotZero(t, c.most)
	require.LessOrEqual(t, c.most, int64(len(text)+len(glText)))
}

// full is a staged file on a disk that is full.
type full struct{ stores.StagedFile }

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestUploadFolder_doesNotResendAFileWhoseLineCannotBeWritten(t *testing.T) {
	m, sim, _ := withFiles(t, map[string]string{"gl.dat": strings.Repeat("x", 512<<10)})
	files := slices.Collect(func(yield func(stores.Info) bool) {
		for file, err := range m.Stores.List(t.Context(), "inbox/in/") {
			require.NoError(t, err)
			yield(file)
		}
	})
	try := func(c *caller, file stores.StagedFile) error {
		u := &folderUpload{Mover: m, folder: inFolder, list: newSentList(file)}
		u.progress = m.newFolderProgress(t.Context(), &c.Attempt, inFolder, files, u.list)
		return u.sendAndList(t.Context(), files[0])
	}
	first := newCaller(nil)
	require.ErrorContains(t, try(first, full{}), "no space left")
	require.NoError(t, try(newCaller(first.saved), nowhere{}))
	require.Len(t, sim.Files(), 1, "it was there already")
}

// While Temporal is unavailable for longer than the heartbeat timeout, an attempt does not learn that the next one began.
func TestUploadFolder_waitsForTheListOfAnEarlierAttempt(t *testing.T) {
	m, sim, _ := withFiles(t, map[string]string{"a.dat": glText, "b.dat": glText})
	late := listed(t, m, "inbox/in/a.dat")
	time.AfterFunc(time.Second, func() { assert.NoError(t, late.Suspend()) })
	_, err := m.UploadFolder(t.Context(), &newCaller(nil).Attempt, inFolder)
	require.NoError(t, err)
	require.Len(t, sim.Files(), 1, "a.dat was sent before")
}

// listed is the list of what was sent of inFolder, as an attempt has it after one file.
func listed(t *testing.T, m *Mover, ref string) stores.StagedFile {
	t.Helper()
	for file, err := range m.Stores.List(t.Context(), ref) {
		require.NoError(t, err)
		line, err := json.Marshal(SentFile{File: file.Ref, FileID: "1", Bytes: file.Size, Modified: file.ModTime})
		require.NoError(t, err)
		list, err := m.Stores.Stage(t.Context(), inFolder.ListTo, inFolder.Key)
		require.NoError(t, err)
		_, err = list.Write(append(line, '\n'))
		require.NoError(t, err)
		return list
	}
	t.Fatal(ref, "is not there")
	return nil
}

// A second run of the same workflow resumes the list of the first.
func TestUploadFolder_countsOnlyWhatItMoves(t *testing.T) {
	m, _, _ := withFiles(t, map[string]string{"a.dat": glText, "b.dat": glText})
	require.NoError(t, listed(t, m, "inbox/in/a.dat").Suspend())
	c := newCaller(nil)
	_, err := m.UploadFolder(t.Context(), &c.Attempt, inFolder)
	require.NoError(t, err)
	require.EqualValues(t, len(glText), c.moved.Load())
}

// While Temporal is unavailable a heartbeat takes ten seconds, and each part waits for one that includes it.
func TestFolderProgress_partsThatEndTogetherShareASave(t *testing.T) {
	const slow = 200 * time.Millisecond
	c := newCaller(nil)
	saves := 0 // one at a time
	c.Save = func(state []byte) {
		time.Sleep(slow)
		saves++
		c.saved = state
	}
	progress := &folderProgress{attempt: &c.Attempt, files: map[string]fileProgress{}}
	var ending sync.WaitGroup
	for i := range 20 {
		ending.Go(func() { progress.saved(fmt.Sprint(i), json.RawMessage(`{}`)) })
	}
	ending.Wait()
	require.Less(t, saves, 10)
	var last state
	require.NoError(t, json.Unmarshal(c.saved, &last))
	require.Len(t, last.Files, 20)
}
