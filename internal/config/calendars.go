package config

import (
	"errors"
	"maps"
	"slices"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
)

// Planning is what planning nights needs.
type Planning struct {
	// Calendars are the built-in calendars and the bank's own.
	Calendars calendar.Calendars
	// Pipelines is the folder of the pipeline definitions; empty without a configuration.
	Pipelines string
}

// LoadPlanning reads the calendars of a configuration and no secrets, so that nights can be planned without
// the worker's secrets. Without a configuration it returns the built-in calendars.
func LoadPlanning(path string, env []string) (Planning, error) {
	cfg := defaults()
	l, err := open(path, env)
	if errors.Is(err, ErrNone) {
		known, err := calendar.Known(nil)
		return Planning{Calendars: known}, err
	}
	if err != nil {
		return Planning{}, err
	}
	raw := l.k.Raw()
	l.calendars(&cfg, raw)
	l.into(&cfg.Worker, raw["worker"], "worker")
	v := l.checker()
	v.calendars(cfg.Calendars)
	if err := l.err(v.List); err != nil {
		return Planning{}, err
	}
	known, err := calendar.Known(cfg.Calendars)
	return Planning{Calendars: known, Pipelines: within(l.folder, cfg.Worker.Pipelines)}, err
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
	v.Check("calendars", err)
}
