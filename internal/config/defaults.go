package config

import (
	"cmp"
	"maps"
	"reflect"
	"time"

	"github.com/knadh/koanf/v2"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/parstore"
)

func defaults() Config {
	return Config{
		Connections:   map[string]Connection{},
		Stores:        map[string]Store{},
		Notifications: map[string]Channel{},
		Calendars:     map[string]calendar.Data{},
		Console:       consoleDefaults(),
		Worker: Worker{
			TaskQueue:       "pbsm",
			Pipelines:       "pipelines",
			Definitions:     AnyDefinition,
			Health:          ":9090",
			StopTimeout:     30 * time.Second,
			Log:             Log{Level: "info", Format: "json"},
			CachedWorkflows: 1000,
			Poll:            Poll{Ratio: 0.05, Min: 2 * time.Second, Max: 60 * time.Second},
			AskAfter:        15 * time.Minute,
			CollectInterval: 30 * time.Second,
		},
	}
}

// Starter is how operators call the starter: [Worker].Starter, or starter when empty.
type Starter string

// Command is a command as operators type it, from the words behind the name of the program on.
func (s Starter) Command(arguments string) string {
	return cmp.Or(string(s), "starter") + " " + arguments
}

func transferDefaults() Transfer {
	return Transfer{
		Parallel:  parstore.DefaultParallel,
		PartSize:  parstore.DefaultPartSize,
		Threshold: parstore.DefaultThreshold,
	}
}

// Defaults is a configuration without any optional key. Each section of named entries has one, NAME.
func Defaults() *Config {
	l := &loader{k: koanf.New(".")}
	for field := range reflect.TypeFor[Config]().Fields() {
		if field.Type.Kind() == reflect.Map {
			_ = l.k.Set(field.Tag.Get("koanf")+".NAME", map[string]any{}) // an empty configuration accepts any key
		}
	}
	return l.decode()
}

// withDefaults fills in the keys that a connection leaves out.
func withDefaults(connection any) any {
	given, ok := connection.(map[string]any)
	if !ok && connection != nil {
		return connection
	}
	filled := map[string]any{ //nolint:gosec // a scope is no secret
		"workspace_id":       "WS001",
		"locale":             "en-US",
		"app_id":             "PBSMCS",
		"timeout":            "60s",
		"par_hosts":          []any{"objectstorage.*.oraclecloud.com", "*.objectstorage.*.oci.customer-oci.com"},
		"max_file_size":      int64(maxFileSize),
		"token_scope":        "urn:opc:idm:__myscopes__ offline_access",
		"dynamic_params":     "json",
		"task_lists":         "string",
		"status_tasks":       "array",
		"task_params":        "none",
		"upload_body":        "object",
		"export_status_path": "/public/status",
		"import_status_path": "/public/status",
		"report_status_body": "none",
		"report_headers":     "reportcode",
		"delete_method":      "POST",
		"report_def_type":    "V",
		"scan_after_upload":  true,
	}
	maps.Copy(filled, given)
	return filled
}
