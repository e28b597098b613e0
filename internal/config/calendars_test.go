package config

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
)

const ownCalendars = `
calendars:
  my-bank: {base: us-bank, add: [2026-12-24, "2026-12-31 Year end"], remove: [2026-10-12], weekend: [sat, sun]}
  plain: {}
`

func TestLoad_calendars(t *testing.T) {
	path := folder(t, minimal+ownCalendars)
	cfg, err := Load(path, []string{"PBSM_CALENDARS__PLAIN__ADD=2026-05-01,2026-05-02"})
	require.NoError(t, err)
	assert.Equal(t, map[string]calendar.Data{
		"my-bank": {Base: "us-bank", Add: []string{"2026-12-24", "2026-12-31 Year end"}, Remove: []string{"2026-10-12"}, Weekend: []string{"sat", "sun"}},
		"plain":   {Add: []string{"2026-05-01", "2026-05-02"}},
	}, cfg.Calendars)
}

func TestLoad_calendarProblems(t *testing.T) {
	path := folder(t, minimal+`
calendars:
  My Bank: {}
  us-bank: {add: [2026-12-24]}
  odd: {base: mars, holidays: [], add: soon, remove: [7]}
`)
	_, err := Load(path, nil)
	require.Error(t, err)
	for _, want := range []string{
		`calendars.My Bank: "My Bank" is not a name`, "calendars.us-bank: is a built-in calendar", `calendars.odd.base: "mars" is not built in`,
		"calendars.odd.holidays: unknown key", `calendars.odd.add: "soon" does not begin with a date`, "calendars.odd.remove.0: must be a text",
	} {
		assert.ErrorContains(t, err, want)
	}
}

// Planning nights needs neither secrets nor valid connections.
func TestLoadPlanning(t *testing.T) {
	path := folder(t, "connections: {prod: {password: {file: nowhere}}}\nworker: {pipelines: nights}\n"+ownCalendars)
	s, err := LoadPlanning(path, nil)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(filepath.Dir(path), "nights"), s.Pipelines)
	assert.Equal(t, "Year end", s.Calendars["my-bank"].Closed(time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)))

	_, err = LoadPlanning(folder(t, "calendars: {odd: {base: mars}}"), nil)
	assert.ErrorContains(t, err, "calendars.odd.base")

	t.Chdir(t.TempDir())
	s, err = LoadPlanning("", nil)
	require.NoError(t, err, "without a configuration there are the built-in ones")
	assert.Contains(t, s.Calendars, "us-bank")
	assert.Empty(t, s.Pipelines)
}
