package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// MaxManifest is the maximum size of a manifest, in bytes.
const MaxManifest = 1 << 20

// ParseManifest reads the figures that the sender of a file promises, a JSON object:
//
//	{"file": "gl_2026-10-31.csv", "bytes": 5120, "rows": 100,
//	 "sha256": "...", "totals": {"BALANCE": "123.45"}}
//
// Any key may be missing, but not all figures. An unknown key is refused, because a figure with a misspelt key
// would silently not be checked. Totals are texts or numbers; a number is taken as it is written. The name is
// the file's own, without its folder.
func ParseManifest(text []byte, name string) (Expect, error) {
	var m struct {
		File   string                     `json:"file"`
		Bytes  *int64                     `json:"bytes"`
		Rows   *int64                     `json:"rows"`
		SHA256 string                     `json:"sha256"`
		Totals map[string]json.RawMessage `json:"totals"`
	}
	if len(text) > MaxManifest {
		return Expect{}, fmt.Errorf("is larger than %d bytes", MaxManifest)
	}
	text = bytes.TrimPrefix(text, []byte(problem.ByteOrderMark))
	if err := problem.Text(text); err != nil {
		return Expect{}, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&m); err != nil {
		return Expect{}, fmt.Errorf("is not a manifest: %w", problem.JSON(err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Expect{}, errors.New("is not a manifest: there is text after the JSON object")
	}
	e := Expect{Bytes: m.Bytes, Rows: m.Rows, SHA256: m.SHA256}
	if len(m.Totals) > 0 {
		e.Totals = map[string]string{}
	}
	for column, raw := range m.Totals {
		var total string
		if json.Unmarshal(raw, &total) != nil {
			total = string(raw) // a number
		}
		e.Totals[column] = total
	}
	var problems []string
	for _, p := range e.Problems() {
		problems = append(problems, strings.TrimSpace(p.Path+" "+p.Message))
	}
	if m.File != "" && m.File != name {
		problems = append(problems, fmt.Sprintf("file is %q, not %q", m.File, name))
	}
	if len(problems) > 0 {
		return Expect{}, fmt.Errorf("is not a manifest of %s: %s", name, strings.Join(problems, "; "))
	}
	return e, nil
}
