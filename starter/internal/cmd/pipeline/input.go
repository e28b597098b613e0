package pipeline

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"

	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// CloseInput makes the input of a close. name is that of a pipeline, or a file where it is one or has the
// ending of one. A file is checked here, for its as-of date, before anything starts.
func CloseInput(connection, name, asOf, by string) (workflows.NightlyCloseInput, error) {
	in := workflows.NightlyCloseInput{Connection: connection, AsOfDate: asOf, StartedBy: by}
	info, err := os.Stat(name)
	isFile := err == nil && info.Mode().IsRegular()
	if !isFile && !slices.Contains(pipeline.Endings, filepath.Ext(name)) {
		in.Pipeline = name
		return in, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return in, cli.Usage("the pipeline: %v", err)
	}
	p, err := parse(text, asOf, connection)
	if err != nil {
		return in, err
	}
	in.Pipeline = p.Name
	in.Definition, err = definition(name, text)
	return in, err
}

// parse parses a definition and renders it for a date; without one it only parses.
func parse(text []byte, asOf, connection string) (*pipeline.Pipeline, error) {
	p, err := pipeline.Parse(text)
	if err != nil || asOf == "" {
		return p, err
	}
	date, err := pipeline.ParseDate(asOf)
	if err != nil {
		return nil, cli.Usage("--as-of: %v", err)
	}
	return p.Render(date, pipeline.Vars{Connection: cmp.Or(connection, "connection")})
}

// definition is a JSON object as it is, and YAML as a string.
func definition(file string, text []byte) (json.RawMessage, error) {
	if filepath.Ext(file) == ".json" && json.Valid(text) {
		return text, nil
	}
	return json.Marshal(string(text))
}
