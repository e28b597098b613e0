package transfer

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// fileProgress is a file of a folder that is being sent.
type fileProgress struct {
	Version     FileInfo        `json:"version"`
	FileID      string          `json:"file_id"`
	PAR         string          `json:"par"` // a secret, as is UploadState
	Bytes       int64           `json:"bytes"`
	UploadState json.RawMessage `json:"upload_state,omitempty"` // parstore's; nil for a file that is sent in one request
}

// folderProgress holds the files of a folder that are being sent: begun, and not in the list yet.
// Those that are sent in parts are saved for the next attempt.
type folderProgress struct {
	objects *parstore.Client
	attempt *Attempt
	state   state // without its files
	total   int64 // bytes of all files

	saving sync.Mutex // one save at a time; it may take long, which must not hold up the files
	inLast int        // how many changes the last save includes

	mu          sync.Mutex
	changes     int   // that are to be saved
	listedBytes int64 // of the files in the list
	files       map[string]fileProgress
}

// newFolderProgress resumes where an earlier attempt was, and drops what is not to be sent any more.
// It saves at once: a worker that stops then knows that it need not wait for the end.
func (m *Mover) newFolderProgress(
	ctx context.Context, a *Attempt, folder Folder, files []stores.Info, list *sentList,
) *folderProgress {
	a.progress.resumes = true // an earlier run may have sent what is in the list
	p := &folderProgress{objects: m.Objects, attempt: a, listedBytes: list.result.Bytes}
	p.state = a.resume(state{Folder: folder.Path, SaveTo: folder.ListTo, Key: folder.Key})
	p.files, p.state.Files = p.state.Files, nil
	if p.files == nil {
		p.files = map[string]fileProgress{}
	}
	for _, file := range files {
		p.total += file.Size
	}
	p.dropUnwanted(ctx, files, list.sent)
	p.report()
	p.save()
	return p
}

// resume returns what was sent of a file; false where that is nothing, or is of another version.
func (p *folderProgress) resume(version FileInfo) (fileProgress, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	file, ok := p.files[version.File]
	return file, ok && file.Version.same(version)
}

func (p *folderProgress) begin(file fileProgress) {
	p.change(file.Version.File, func(known *fileProgress) { *known = file })
}

func (p *folderProgress) moved(ref string, bytes int64) {
	p.change(ref, func(file *fileProgress) { file.Bytes = bytes })
}

// saved notes what the next attempt needs of a file, and returns once it is kept.
func (p *folderProgress) saved(ref string, upload []byte) {
	p.change(ref, func(file *fileProgress) { file.UploadState = upload })
	p.save()
}

func (p *folderProgress) change(ref string, change func(*fileProgress)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	file := p.files[ref]
	change(&file)
	p.files[ref] = file
	p.report()
}

// listed removes a file that is in the list now.
func (p *folderProgress) listed(file SentFile) { p.remove(file.File, file.Bytes) }

// drop gives up what was sent of a file, because nothing will resume it. The folder does not fail
// when the object store keeps the parts.
func (p *folderProgress) drop(ctx context.Context, ref string) {
	p.mu.Lock()
	file := p.files[ref]
	p.mu.Unlock()
	_ = p.objects.Discard(ctx, file.UploadState)
	if ctx.Err() == nil {
		p.remove(ref, 0)
	}
}

// dropUnwanted drops the files that are not to be sent any more, and those of another size, before
// the first report: they would count beyond the total.
func (p *folderProgress) dropUnwanted(ctx context.Context, files []stores.Info, sent map[string]bool) {
	wanted := map[string]int64{}
	for _, file := range files {
		if !sent[file.Ref] {
			wanted[file.Ref] = file.Size
		}
	}
	for ref, file := range p.files {
		if size, ok := wanted[ref]; ok && size == file.Version.Size {
			continue
		}
		_ = p.objects.Discard(ctx, file.UploadState)
		if ctx.Err() == nil {
			delete(p.files, ref)
		}
	}
}

func (p *folderProgress) remove(ref string, listedBytes int64) {
	p.mu.Lock()
	inParts := p.files[ref].UploadState != nil
	p.listedBytes += listedBytes
	delete(p.files, ref)
	p.report()
	p.mu.Unlock()
	if inParts {
		p.save()
	}
}

// report is called with the lock held.
func (p *folderProgress) report() {
	done := p.listedBytes
	for _, file := range p.files {
		done += file.Bytes
	}
	p.attempt.moved(done, p.total)
}

// save returns once what is known now is kept. Files that save during a save share the next one.
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
	saved := p.state
	saved.Files = map[string]fileProgress{}
	p.mu.Lock()
	p.inLast = p.changes
	for ref, file := range p.files {
		if file.UploadState != nil {
			saved.Files[ref] = file
		}
	}
	p.mu.Unlock()
	p.attempt.save(saved)
}
