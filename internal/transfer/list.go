package transfer

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// SentFile is a line of the list of a folder's files that were sent.
type SentFile struct {
	File     string    `json:"file"`
	FileID   string    `json:"file_id"`
	Bytes    int64     `json:"bytes"`
	Rows     *int64    `json:"rows,omitempty"` // nil where they cannot be counted
	SHA256   string    `json:"sha256"`
	ETag     string    `json:"etag,omitempty"`
	Modified time.Time `json:"modified"`
}

// SentFiles reads the list of a folder's files that were sent.
func (m *Mover) SentFiles(ctx context.Context, ref string) ([]SentFile, error) {
	list, err := m.Stores.Open(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer list.Close()
	sent, err := readSentList(list)
	if err != nil {
		return nil, fmt.Errorf("read the list of what was sent, %s: %w; if it stays so, send the folder again", ref, err)
	}
	return sent, nil
}

var errBadLine = errors.New("is cut off or damaged")

// readSentList reads a list to its end. The lines before a bad one are good.
func readSentList(r io.Reader) ([]SentFile, error) {
	var files []SentFile
	for lines := bufio.NewReader(r); ; {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return files, nil
		}
		if err != nil && err != io.EOF {
			return files, err
		}
		var file SentFile
		if err == io.EOF || json.Unmarshal(line, &file) != nil {
			return files, fmt.Errorf("line %d %w", len(files)+1, errBadLine)
		}
		files = append(files, file)
	}
}

// sentList is the list while it grows. It is safe for concurrent use.
type sentList struct {
	sent map[string]bool // by an earlier attempt

	mu     sync.Mutex
	file   stores.StagedFile
	result Result
	hash   hash.Hash
}

func newSentList(file stores.StagedFile) *sentList {
	return &sentList{file: file, sent: map[string]bool{}, hash: sha256.New(), result: Result{Rows: new(int64)}}
}

// openSentList resumes the list of an earlier attempt. It leaves out the lines of files that have
// changed since: these files are sent again.
func (m *Mover) openSentList(ctx context.Context, ref, key string, files []stores.Info) (*sentList, error) {
	staged, err := m.Stores.Stage(ctx, ref, key)
	if err != nil {
		return nil, err
	}
	existing, _ := staged.Existing()
	before, err := readSentList(existing)
	if err != nil && !errors.Is(err, errBadLine) { // a worker may have died while it wrote the last line
		return nil, errors.Join(fmt.Errorf("read what was sent before, %s: %w", ref, err), staged.Suspend())
	}

	current := map[string]stores.Info{}
	for _, file := range files {
		current[file.Ref] = file
	}
	list := newSentList(staged)
	err = staged.Truncate(0)
	for _, line := range before {
		file, ok := current[line.File]
		if ok && err == nil && file.Size == line.Bytes && file.ModTime.Equal(line.Modified) && !list.sent[line.File] {
			list.sent[line.File] = true
			err = list.add(line)
		}
	}
	if err != nil {
		return nil, errors.Join(err, staged.Suspend())
	}
	return list, nil
}

func (l *sentList) add(file SentFile) error {
	line, err := json.Marshal(file)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hash.Write(line)
	l.result.Files++
	l.result.Bytes += file.Bytes
	if file.Rows == nil {
		l.result.Rows = nil
	}
	if l.result.Rows != nil {
		*l.result.Rows += *file.Rows
	}
	_, err = l.file.Write(line)
	return err
}

func (l *sentList) commit() (Result, error) {
	l.result.SHA256 = hex.EncodeToString(l.hash.Sum(nil))
	return l.result, l.file.Commit()
}
