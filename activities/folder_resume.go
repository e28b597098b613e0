package activities

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// fileUnderWay is a large file of a folder of which parts are sent.
type fileUnderWay struct {
	Version FileInfo        `json:"version"`
	FileID  string          `json:"file_id"`
	PAR     string          `json:"par"` // a secret, as what parstore needs
	Bytes   int64           `json:"bytes"`
	Engine  json.RawMessage `json:"engine,omitempty"` // parstore's; none of a file that goes in one piece
}

// folderProgress is how far the files of a folder are that are neither to be begun nor in the list of
// what was sent. Those that go in parts are saved with the transfer, for the next attempt.
type folderProgress struct {
	t      *transfer
	total  int64      // bytes of all files
	saving sync.Mutex // one heartbeat at a time; it may take long, which must not hold up the files
	inLast int        // how many of the changes are in the last one

	mu       sync.Mutex
	changes  int   // that are to be saved
	listed   int64 // bytes of the files in the list
	underWay map[string]fileUnderWay
}

// newFolderProgress goes on where an earlier attempt was, and drops what is not to be sent any more. Its
// heartbeat tells a worker that stops not to wait for the end: what is done is saved.
func newFolderProgress(ctx context.Context, t *transfer, files []stores.Info, total int64, list *sentList) *folderProgress {
	p := &folderProgress{t: t, total: total, listed: list.sum.Bytes, underWay: openUnderWay(t.saved.Engine)}
	p.dropAllBut(ctx, files, list.sent)
	t.counted.resumes = true // the list may be an earlier run's
	p.tell()
	p.save()
	return p
}

func openUnderWay(engine []byte) map[string]fileUnderWay {
	files := map[string]fileUnderWay{}
	_ = json.Unmarshal(engine, &files) // a state that cannot be read is none
	return files
}

// of gives what was sent of a file; false where that is nothing, or of another version.
func (p *folderProgress) of(version FileInfo) (fileUnderWay, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	file, ok := p.underWay[version.File]
	return file, ok && file.Version.same(version)
}

func (p *folderProgress) begin(file fileUnderWay) {
	p.change(file.Version.File, func(known *fileUnderWay) { *known = file })
}

func (p *folderProgress) moved(ref string, bytes int64) {
	p.change(ref, func(file *fileUnderWay) { file.Bytes = bytes })
}

// saved notes what the next attempt needs of a file, and returns when Temporal has it.
func (p *folderProgress) saved(ref string, engine []byte) {
	p.change(ref, func(file *fileUnderWay) { file.Engine = engine })
	p.save()
}

func (p *folderProgress) change(ref string, change func(*fileUnderWay)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	file := p.underWay[ref]
	change(&file)
	p.underWay[ref] = file
	p.tell()
}

// sent takes a file off that is in the list now.
func (p *folderProgress) sent(file SentFile) { p.take(file.File, file.Bytes) }

// drop gives up what was sent of a file, since nothing goes on with it. That the store may keep the parts is
// no failure of the folder.
func (p *folderProgress) drop(ctx context.Context, ref string) {
	p.mu.Lock()
	file := p.underWay[ref]
	p.mu.Unlock()
	_ = p.t.conn.objects.Discard(ctx, file.Engine)
	if ctx.Err() == nil {
		p.take(ref, 0)
	}
}

// dropAllBut drops the files that are not to be sent any more, and those of another size, before anything is
// told: they would be counted beyond the whole.
func (p *folderProgress) dropAllBut(ctx context.Context, files []stores.Info, done map[string]bool) {
	wanted := map[string]int64{}
	for _, file := range files {
		if !done[file.Ref] {
			wanted[file.Ref] = file.Size
		}
	}
	for ref, file := range p.underWay {
		if size, ok := wanted[ref]; ok && size == file.Version.Size {
			continue
		}
		_ = p.t.conn.objects.Discard(ctx, file.Engine)
		if ctx.Err() == nil {
			delete(p.underWay, ref)
		}
	}
}

func (p *folderProgress) take(ref string, listed int64) {
	p.mu.Lock()
	inParts := p.underWay[ref].Engine != nil
	p.listed += listed
	delete(p.underWay, ref)
	p.tell()
	p.mu.Unlock()
	if inParts {
		p.save()
	}
}

// tell is called with the lock held.
func (p *folderProgress) tell() {
	done := p.listed
	for _, file := range p.underWay {
		done += file.Bytes
	}
	p.t.moved(done, p.total)
}

// save returns when Temporal has what is known now. Files that save while a heartbeat is under way share the next.
func (p *folderProgress) save() {
	p.mu.Lock()
	p.changes++
	wanted := p.changes
	p.mu.Unlock()
	p.saving.Lock()
	defer p.saving.Unlock()
	if p.inLast >= wanted {
		return
	}
	inParts := map[string]fileUnderWay{}
	p.mu.Lock()
	p.inLast = p.changes
	for ref, file := range p.underWay {
		if file.Engine != nil {
			inParts[ref] = file
		}
	}
	p.mu.Unlock()
	text, err := json.Marshal(inParts)
	if err != nil {
		p.t.stop(err)
		return
	}
	p.t.save(text)
}

// dropUnderWay removes the parts of the files of a folder that nobody will send on.
func (c *connection) dropUnderWay(ctx context.Context, engine []byte) error {
	var problems []error
	for _, file := range openUnderWay(engine) {
		problems = append(problems, c.objects.Discard(ctx, file.Engine))
	}
	return errors.Join(problems...)
}
