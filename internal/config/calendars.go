package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// Schedules is what the starter needs to plan nights.
type Schedules struct {
	// Calendars are the built-in ones and the bank's own.
	Calendars calendar.Calendars
	// Pipelines is the worker's folder of definitions; empty without a configuration.
	Pipelines string
}

// LoadSchedules reads the calendars of a configuration and nothing that could be a secret, so
// that nights can be planned where the worker's secrets are not. Without a configuration there
// are the built-in calendars.
func LoadSchedules(path string, env []string) (Schedules, error) {
	cfg := defaults()
	l, err := open(path, env)
	if errors.Is(err, ErrNone) {
		known, err := calendar.Known(nil)
		return Schedules{Calendars: known}, err
	}
	if err != nil {
		return Schedules{}, err
	}
	raw := l.k.Raw()
	l.calendars(&cfg, raw)
	l.into(&cfg.Worker, raw["worker"], "worker")
	v := &checker{failed: l.failed}
	v.calendars(cfg.Calendars)
	l.faults = append(l.faults, v.faults...)
	if err := l.err(); err != nil {
		return Schedules{}, err
	}
	known, err := calendar.Known(cfg.Calendars)
	return Schedules{Calendars: known, Pipelines: within(l.folder, cfg.Worker.Pipelines)}, err
}

func (l *loader) calendars(cfg *Config, raw map[string]any) {
	for name, value := range l.section(raw, "calendars") {
		var c calendar.Data
		l.into(&c, value, "calendars."+name)
		cfg.Calendars[name] = c
	}
}

func (v *checker) calendars(own map[string]calendar.Data) {
	for _, name := range slices.Sorted(maps.Keys(own)) {
		v.name("calendars."+name, name)
	}
	_, err := calendar.Known(own)
	for _, text := range problem.Texts(err) {
		v.faults = append(v.faults, fmt.Errorf("calendars.%s", text))
	}
}
