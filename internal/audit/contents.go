package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"slices"
)

// Contents is what an audit file names that can be looked up elsewhere.
type Contents struct {
	// Files are the files that were transferred, as they were the last time, in the order of the lines.
	Files []NamedFile
	// Workflows are the ids of the closes.
	Workflows []string
}

// NamedFile is a file that an audit file names.
type NamedFile struct {
	File
	Line int64 // from 1
	Step string
}

// Ref is the "store/path" of the file with the recorded SHA-256: the file itself or, of a folder, the list of its files.
func (f NamedFile) Ref() string {
	if f.ListedIn != "" {
		return f.ListedIn
	}
	return f.Path
}

// Read reads what an intact audit file names; [Verify] says whether it is intact.
func Read(r io.Reader) (Contents, error) {
	var c Contents
	in := bufio.NewReader(r)
	for number := int64(1); ; number++ {
		text, err := readLine(in)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return c, err
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return c, err
		}
		if l.Event.Event == CloseStarted && !slices.Contains(c.Workflows, l.WorkflowID) {
			c.Workflows = append(c.Workflows, l.WorkflowID)
		}
		if l.File != nil {
			named := NamedFile{File: *l.File, Line: number, Step: l.Step}
			c.Files = slices.DeleteFunc(c.Files, func(f NamedFile) bool { return f.Ref() == named.Ref() })
			c.Files = append(c.Files, named)
		}
	}
}
