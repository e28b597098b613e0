package pipeline

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// ParamFlags are the flags that give a close its parameters.
type ParamFlags struct {
	params []string
	key    string
}

// Add adds the flags to those of a command.
func (p *ParamFlags) Add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&p.params, "param", nil, "a `NAME=VALUE` for a parameter of the pipeline; may be repeated")
	flags.StringVar(&p.key, "key", "",
		"`what` tells the close from others for the date (default: the parameters, as in scenario-7)")
}

// Values are the parameters and the key.
func (p *ParamFlags) Values() (params map[string]string, key string, err error) {
	params, err = cli.Pairs("param", p.params)
	return params, p.key, err
}

// CloseInput completes the input of a close. name is that of a pipeline, or a file where it is one or has the
// ending of one. A file is checked here, for its as-of date, before anything starts.
func CloseInput(f *cli.Factory, in workflows.NightlyCloseInput, name string) (workflows.NightlyCloseInput, error) {
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
	known, err := calendars(f)
	if err != nil {
		return in, err
	}
	p, err := parse(name, text, in.AsOfDate, pipeline.Vars{Connection: in.Connection, Params: in.Params, Key: in.Key,
		Calendars: known})
	if err != nil {
		return in, err
	}
	in.Pipeline = p.Name
	in.Definition, err = definition(name, text)
	return in, err
}

// parse parses a definition and renders it for a date; without one it only parses.
func parse(file string, text []byte, asOf string, vars pipeline.Vars) (*pipeline.Pipeline, error) {
	p, err := pipeline.ParseIn(text, os.DirFS(filepath.Dir(file)))
	if err != nil || asOf == "" {
		return p, err
	}
	date, err := pipeline.ParseDate(asOf)
	if err != nil {
		return nil, cli.Usage("--as-of: %v", err)
	}
	vars.Connection = cmp.Or(vars.Connection, "connection")
	return p.Render(date, vars)
}

// calendars are those of the configuration here, or only the built-in ones without one.
func calendars(f *cli.Factory) (calendar.Calendars, error) {
	known, err := config.LoadPlanning(f.Config, os.Environ())
	if err != nil {
		return nil, cli.Usage("%v", err)
	}
	return known.Calendars, nil
}

// definition is a JSON object as it is, and YAML as a string. What includes files is sent with what they hold.
func definition(file string, text []byte) (json.RawMessage, error) {
	p, err := pipeline.ParseIn(text, os.DirFS(filepath.Dir(file)))
	if err != nil {
		return nil, err
	}
	if len(p.Included()) > 0 {
		return json.Marshal(p)
	}
	if filepath.Ext(file) == ".json" && json.Valid(text) {
		return text, nil
	}
	return json.Marshal(string(text))
}
