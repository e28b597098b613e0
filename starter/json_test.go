package main

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// The page says which keys each document has.
func TestCommandsPage_namesTheKeysOfJSON(t *testing.T) {
	text, err := os.ReadFile("../docs/commands.md")
	require.NoError(t, err)
	_, table, _ := strings.Cut(string(text), "<!-- json -->")
	table, _, _ = strings.Cut(table, "<!-- /json -->")
	documented := map[string][]string{}
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) == 5 && strings.Contains(line, "`") {
			for _, key := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[3], -1) {
				name := strings.TrimSpace(cells[1])
				documented[name] = append(documented[name], key[1])
			}
		}
	}
	status := append([]string{"workflow_id"}, keys(reflect.TypeFor[workflows.Status]())...)
	require.Equal(t, map[string][]string{
		"close":             keys(reflect.TypeFor[view.CloseDocument]()),
		"step of a close":   keys(reflect.TypeFor[view.CloseStep]()),
		"status":            append(status, "questions", "notes"),
		"result of a batch": keys(reflect.TypeFor[workflows.RunBatchResult]()),
		"problem":           keys(reflect.TypeFor[cli.ProblemDocument]()),
	}, documented)
}

// keys are those of the JSON of a struct, with what is embedded in it.
func keys(of reflect.Type) (names []string) {
	for field := range of.Fields() {
		if field.Anonymous {
			names = append(names, keys(field.Type)...)
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}
