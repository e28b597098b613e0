package audit

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/internal/transfer"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

// What a comparison of a file comes to.
const (
	same       = "same"
	differing  = "differs"
	missing    = "missing"
	unreadable = "unreadable"
	notChecked = "not_checked"
)

// comparison is a file that the audit file names, and what is there now.
type comparison struct {
	File   string `json:"file"` // STORE/PATH
	Step   string `json:"step,omitempty"`
	Line   int64  `json:"line"` // of the audit file
	State  string `json:"state"`
	SHA256 string `json:"sha256"`          // recorded
	Found  string `json:"found,omitempty"` // where it differs
	Why    string `json:"why,omitempty"`
}

// openStores opens the stores of --store: NAME as in the configuration, or NAME=FOLDER.
func openStores(ctx context.Context, f *cli.Factory, given []string) (*stores.Stores, error) {
	settings := map[string]stores.Settings{}
	var configured map[string]stores.Settings
	for _, text := range given {
		name, folder, own := strings.Cut(text, "=")
		if own {
			path, err := filepath.Abs(folder)
			if info, statErr := os.Stat(path); err == nil && (statErr != nil || !info.IsDir()) {
				err = fmt.Errorf("%s is not a folder", folder)
			}
			if err != nil {
				return nil, cli.Usage("--store %s: %v", text, err)
			}
			settings[name] = stores.Settings{URL: "file://" + filepath.ToSlash(path)}
			continue
		}
		if configured == nil {
			var err error
			if configured, err = config.LoadStores(f.Config, os.Environ()); err != nil {
				return nil, cli.Usage("%v", err).Then("Or say where a copy of the store is: --store " + name + "=FOLDER")
			}
		}
		found, ok := configured[name]
		if !ok {
			return nil, cli.Usage("--store %s: the configuration has no such store, but %s; or write %s=FOLDER", name,
				cli.Names(configured), name)
		}
		settings[name] = found
	}
	opened, err := stores.Open(ctx, settings)
	if err != nil {
		return nil, cli.Usage("%v", err)
	}
	return opened, nil
}

// compareFiles compares the files that are in an opened store with what was recorded.
func compareFiles(ctx context.Context, from *stores.Stores, files []audit.NamedFile) []comparison {
	var all []comparison
	for _, file := range files {
		c := comparison{File: file.Ref(), Step: file.Step, Line: file.Line, SHA256: file.SHA256}
		if c.State = notChecked; known(from, c.File) {
			text := c.compare(ctx, from, file.ListedIn != "")
			all = append(all, c)
			all = append(all, listed(ctx, from, c, text)...)
			continue
		}
		all = append(all, c)
	}
	return all
}

func known(from *stores.Stores, ref string) bool {
	store, _, _ := strings.Cut(ref, "/")
	return from.Known(store) == nil
}

// listed compares the files of a folder with the list of them, whose text is the recorded one.
func listed(ctx context.Context, from *stores.Stores, list comparison, text []byte) (all []comparison) {
	if list.State != same {
		return nil
	}
	for line := range bytes.Lines(text) {
		var file transfer.SentFile
		if err := json.Unmarshal(line, &file); err != nil {
			return append(all, comparison{File: list.File, Step: list.Step, Line: list.Line, State: unreadable,
				Why: "a line is not one of a list: " + err.Error()})
		}
		c := comparison{File: file.File, Step: list.Step, Line: list.Line, SHA256: file.SHA256, State: notChecked}
		if known(from, c.File) {
			c.compare(ctx, from, false)
		}
		all = append(all, c)
	}
	return all
}

// compare reads the file. It returns the bytes of a list.
func (c *comparison) compare(ctx context.Context, from *stores.Stores, isList bool) []byte {
	file, err := from.Open(ctx, c.File)
	if err != nil {
		c.failed(err)
		return nil
	}
	defer file.Close()
	sum, text := sha256.New(), new(bytes.Buffer)
	var to io.Writer = sum
	if isList {
		to = io.MultiWriter(sum, text)
	}
	if _, err := io.Copy(to, bufio.NewReader(file)); err != nil {
		c.failed(err)
		return nil
	}
	found := fmt.Sprintf("%x", sum.Sum(nil))
	if c.State = same; !strings.EqualFold(found, c.SHA256) {
		c.State, c.Found = differing, found
	}
	return text.Bytes()
}

func (c *comparison) failed(err error) {
	c.State, c.Why = unreadable, err.Error()
	if errors.Is(err, fs.ErrNotExist) {
		c.State, c.Why = missing, ""
	}
}

// maxShown is how many files of one outcome are shown by name.
const maxShown = 20

// fileLines says of the files what was found, the worst first.
func fileLines(all []comparison) []string {
	var lines []string
	for _, state := range []struct{ name, text string }{
		{differing, "DIFFERS from the recorded SHA-256"},
		{missing, "is not there any more, so nothing is known of it"},
		{unreadable, "cannot be read"},
		{same, "is as recorded"},
	} {
		shown := 0
		found := slices.DeleteFunc(slices.Clone(all), func(c comparison) bool { return c.State != state.name })
		for _, c := range found {
			if shown++; shown > maxShown {
				lines = append(lines, fmt.Sprintf("  and %d more: %s", len(found)-maxShown, state.text))
				break
			}
			line := fmt.Sprintf("  %s (line %d) %s", c.File, c.Line, state.text)
			for _, more := range []string{c.Found, c.Why} {
				if more != "" {
					line += ": " + more
				}
			}
			lines = append(lines, line)
		}
	}
	if open := storesOf(all, notChecked); len(open) > 0 {
		lines = append(lines, fmt.Sprintf("  %s not compared; to do so: --store %s",
			view.Plural(count(all, notChecked), "file"), strings.Join(open, " --store ")))
	}
	return lines
}

func count(all []comparison, state string) (n int) {
	for _, c := range all {
		if c.State == state {
			n++
		}
	}
	return n
}

// storesOf names the stores of the files of a state, in order.
func storesOf(all []comparison, state string) []string {
	var names []string
	for _, c := range all {
		if name, _, _ := strings.Cut(c.File, "/"); c.State == state && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
