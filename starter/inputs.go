package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// moment reads a deadline: a date and time (RFC 3339), the next such time of day
// here ("05:00"), or a duration from now ("90m"). Empty is none.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		if !at.After(now) {
			return time.Time{}, usage("--%s %s is over", flag, text)
		}
		return at, nil
	}
	at, err := pipeline.ResolveDeadline(now, text, now.Location())
	if err != nil {
		return time.Time{}, usage("--%s: %v; a date and time is written like 2026-11-01T05:00:00-04:00", flag, err)
	}
	return at, nil
}

// pairs reads K=V. Values may hold "=" and ",".
func pairs(flag string, texts []string) (map[string]string, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	values := map[string]string{}
	var faults []string
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		_, twice := values[key]
		switch {
		case !ok || key == "":
			faults = append(faults, fmt.Sprintf("--%s %q is not KEY=VALUE", flag, text))
		case twice:
			faults = append(faults, fmt.Sprintf("--%s %s is given twice", flag, key))
		}
		values[key] = value
	}
	if len(faults) > 0 {
		return nil, &problem{code: exitUsage, message: "the command has faults", faults: faults}
	}
	return values, nil
}

func members(codes []string) []workflows.GroupBatch {
	var batches []workflows.GroupBatch
	for _, code := range codes {
		batches = append(batches, workflows.GroupBatch{Code: code})
	}
	return batches
}

// closeInput takes --pipeline for a file when it is one, or is called like one.
// A definition is checked here, for the date it is meant for, before anything starts.
func closeInput(connection, pipelineArg, asOf, by string) (workflows.NightlyCloseInput, error) {
	in := workflows.NightlyCloseInput{Connection: connection, AsOfDate: asOf, StartedBy: by}
	info, err := os.Stat(pipelineArg)
	isFile := err == nil && info.Mode().IsRegular()
	if !isFile && !slices.Contains(pipeline.Endings, filepath.Ext(pipelineArg)) {
		in.Pipeline = pipelineArg
		return in, inputProblem(in.Validate())
	}
	text, err := os.ReadFile(pipelineArg)
	if err != nil {
		return in, usage("the pipeline: %v", err)
	}
	p, err := checkPipeline(text, asOf, connection)
	if err != nil {
		return in, err
	}
	in.Pipeline = p.Name
	in.Definition, err = definition(pipelineArg, text)
	if err != nil {
		return in, err
	}
	return in, inputProblem(in.Validate())
}

// checkPipeline parses a definition and renders it for a date; without one it only parses.
func checkPipeline(text []byte, asOf, connection string) (*pipeline.Pipeline, error) {
	p, err := pipeline.Parse(text)
	if err != nil || asOf == "" {
		return p, err
	}
	date, err := pipeline.ParseDate(asOf)
	if err != nil {
		return nil, usage("--as-of: %v", err)
	}
	return p.Render(date, pipeline.Vars{Connection: cmp.Or(connection, "connection")})
}

// definition is a JSON object as it is; YAML goes as a string.
func definition(file string, text []byte) (json.RawMessage, error) {
	if filepath.Ext(file) == ".json" && json.Valid(text) {
		return text, nil
	}
	return json.Marshal(string(text))
}
