// Package config reads pbsm.yaml: the connections to the service, the stores, the calendars,
// and the worker's settings. Temporal's own settings are not among them.
//
// Every key can be overridden from the environment: PBSM_ and the key, upper
// case, with "__" between the levels, as in
//
//	PBSM_CONNECTIONS__PROD__BASE_URL=https://host/tenant
//	PBSM_CONNECTIONS__PROD__PASSWORD__FILE=/run/secrets/password
//	PBSM_CONNECTIONS__PROD__PAR_HOSTS=a.example.com,b.example.com
//	PBSM_WORKER__POLL__MAX=30s
//
// Names of connections and stores are lower case; where one has a "-", its
// variable has a "_". Variables without "__" are no overrides. Relative paths
// are relative to the configuration file's folder.
package config

import (
	"time"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// Config is everything that pbsm.yaml says, with defaults filled in.
type Config struct {
	Connections map[string]Connection `koanf:"connections"`
	Stores      map[string]Store      `koanf:"stores"`
	Worker      Worker                `koanf:"worker"`
	// Calendars are a bank's own; see calendar.Data. The built-in ones are not among them.
	Calendars map[string]calendar.Data `koanf:"calendars"`
}

// Connection is one tenant of the service and how to log in to it.
type Connection struct {
	BaseURL     string `koanf:"base_url"`  // https://HOST/TENANT
	TokenURL    string `koanf:"token_url"` // https://IAM/oauth2/v1/token
	TenantID    string `koanf:"tenant_id"`
	ServiceID   string `koanf:"service_id"`
	WorkspaceID string `koanf:"workspace_id"` // WS001
	RemoteUser  string `koanf:"remote_user"`
	Locale      string `koanf:"locale"` // en-US
	AppID       string `koanf:"app_id"` // PBSMCS

	ClientID     string `koanf:"client_id"`
	ClientSecret Secret `koanf:"client_secret"`
	Username     string `koanf:"username"`
	Password     Secret `koanf:"password"`

	CAFile   string        `koanf:"ca_file"`
	Insecure bool          `koanf:"insecure"` // certificates are not verified
	Timeout  time.Duration `koanf:"timeout"`  // of one call; 60s

	// Hosts of pre-authenticated URLs, with "*" for one label or a part of it
	// and an optional port; objectstorage.*.oraclecloud.com.
	PARHosts    []string `koanf:"par_hosts"`
	MaxFileSize int64    `koanf:"max_file_size"` // bytes; one less than 10 TB, the document's limit
	Transfer    Transfer `koanf:"transfer"`

	// What differs between releases and tenants.
	DynamicParams       string            `koanf:"dynamic_params"`        // json, or string: JSON encoded once more
	MigrationStatusPath string            `koanf:"migration_status_path"` // /public/status
	ReportStatusBody    string            `koanf:"report_status_body"`    // none, or object: {}
	ReportDefType       string            `koanf:"report_def_type"`       // V
	ScanAfterUpload     bool              `koanf:"scan_after_upload"`
	ExtraHeaders        map[string]string `koanf:"extra_headers"`
}

// Transfer says how the connection's files move, on one worker: all of them
// together, whichever way they go.
type Transfer struct {
	Parallel  int64 `koanf:"parallel"`  // parts on their way at once; 4
	PartSize  int64 `koanf:"part_size"` // bytes, at least 10 MiB; 16 MiB. A part on its way takes that much memory, 16 MiB at most.
	Threshold int64 `koanf:"threshold"` // bytes: from this size on a file goes up in parts; 100 MiB
	Bandwidth int64 `koanf:"bandwidth"` // bytes per second; 0: as fast as it goes
}

// Store is a named place for files; see stores.Place.
type Store struct {
	URL string `koanf:"url"`

	// Of S3. Where they are empty, the AWS SDK looks where it always looks.
	AccessKey Secret `koanf:"access_key"`
	SecretKey Secret `koanf:"secret_key"`

	// Of SFTP: a key or a password, and a known_hosts file or the fingerprint of the server's key.
	KeyFile       string `koanf:"key_file"`
	KeyPassphrase Secret `koanf:"key_passphrase"`
	Password      Secret `koanf:"password"`
	KnownHosts    string `koanf:"known_hosts"`
	Fingerprint   string `koanf:"fingerprint"` // SHA256:...
}

// Worker holds the worker process's own settings.
type Worker struct {
	TaskQueue   string        `koanf:"task_queue"`   // pbsm
	Pipelines   string        `koanf:"pipelines"`    // folder of definitions; pipelines
	Health      string        `koanf:"health"`       // address of health and metrics; :9090
	StopTimeout time.Duration `koanf:"stop_timeout"` // for what runs when the worker is told to stop; 30s
	Log         Log           `koanf:"log"`
	Poll        Poll          `koanf:"poll"`
}

// Log says what is logged and how.
type Log struct {
	Level  string `koanf:"level"`  // debug, info, warn, error; info
	Format string `koanf:"format"` // json, console; json
}

// Poll says how often a job is asked for its state: after Ratio of the time
// that it has run, but at least Min and at most Max.
type Poll struct {
	Ratio float64       `koanf:"ratio"` // 0.05
	Min   time.Duration `koanf:"min"`   // 2s
	Max   time.Duration `koanf:"max"`   // 60s
}

// StorePlaces is what stores.Open takes.
func (c *Config) StorePlaces() map[string]stores.Place {
	places := map[string]stores.Place{}
	for name, store := range c.Stores {
		places[name] = store.place()
	}
	return places
}

func (s Store) place() stores.Place {
	return stores.Place{
		URL: s.URL, AccessKey: s.AccessKey.Expose(), SecretKey: s.SecretKey.Expose(),
		KeyFile: s.KeyFile, KeyPassphrase: s.KeyPassphrase.Expose(), Password: s.Password.Expose(),
		KnownHosts: s.KnownHosts, Fingerprint: s.Fingerprint,
	}
}

func defaults() Config {
	return Config{Connections: map[string]Connection{}, Stores: map[string]Store{}, Calendars: map[string]calendar.Data{}, Worker: Worker{
		TaskQueue:   "pbsm",
		Pipelines:   "pipelines",
		Health:      ":9090",
		StopTimeout: 30 * time.Second,
		Log:         Log{Level: "info", Format: "json"},
		Poll:        Poll{Ratio: 0.05, Min: 2 * time.Second, Max: 60 * time.Second},
	}}
}

func transferDefaults() Transfer {
	return Transfer{Parallel: parstore.DefaultParallel, PartSize: parstore.DefaultPartSize, Threshold: parstore.DefaultThreshold}
}

// connectionDefaults are the values of keys that a connection does not have.
func connectionDefaults() map[string]any {
	return map[string]any{
		"workspace_id":          "WS001",
		"locale":                "en-US",
		"app_id":                "PBSMCS",
		"timeout":               "60s",
		"par_hosts":             []any{"objectstorage.*.oraclecloud.com"},
		"max_file_size":         int64(10_000_000_000_000 - 1),
		"dynamic_params":        "json",
		"migration_status_path": "/public/status",
		"report_status_body":    "none",
		"report_def_type":       "V",
	}
}

// Client is the connection as the service's client takes it.
func (c Connection) Client() pbsm.Config {
	return pbsm.Config{
		BaseURL: c.BaseURL, TokenURL: c.TokenURL,
		TenantID: c.TenantID, ServiceID: c.ServiceID, WorkspaceID: c.WorkspaceID,
		RemoteUser: c.RemoteUser, Locale: c.Locale, AppID: c.AppID,
		ClientID: c.ClientID, ClientSecret: c.ClientSecret.Expose(),
		Username: c.Username, Password: c.Password.Expose(),
		CAFile: c.CAFile, Insecure: c.Insecure, Timeout: c.Timeout,
		DynamicParams:       pbsm.DynamicParamsFormat(c.DynamicParams),
		MigrationStatusPath: c.MigrationStatusPath,
		ReportStatusBody:    pbsm.ReportStatusBody(c.ReportStatusBody),
		ReportDefType:       c.ReportDefType,
		MaxFileSize:         c.MaxFileSize,
		ExtraHeaders:        c.ExtraHeaders,
	}
}
