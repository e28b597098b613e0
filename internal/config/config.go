// Package config reads pbsm.yaml: the connections to the service, the stores, the channels of
// notifications, the calendars, the keys that seal what Temporal keeps, and the worker's settings. Temporal's
// own settings are not among them.
//
// Every key can be overridden from the environment: PBSM_ and the key, upper
// case, with "__" between the levels, as in
//
//	PBSM_CONNECTIONS__PROD__BASE_URL=https://host/tenant
//	PBSM_CONNECTIONS__PROD__PASSWORD__FILE=/run/secrets/password
//	PBSM_CONNECTIONS__PROD__PAR_HOSTS=a.example.com,b.example.com
//	PBSM_WORKER__POLL__MAX=30s
//
// Names of connections, stores and keys are lower case; where one has a "-", its
// variable has a "_". Variables without "__" are no overrides. Relative paths
// are relative to the configuration file's folder.
//
// The comments of [Config]'s fields, and of theirs, are the text of docs/configuration.md and of
// the JSON Schema (make generate): each says what the key does, and its unit. Defaults come from
// [Defaults]. The tag jsonschema says what an editor can check before the worker does: required,
// enum=, minimum=, maximum=, format= (one of [Forms]); jsonschema_extras:"keys=..." is the form of
// a map's keys.
package config

import (
	"reflect"
	"time"

	"github.com/knadh/koanf/v2"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/notify"
	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// Config is everything that pbsm.yaml says, with defaults filled in.
type Config struct {
	// Connections are the tenants of the service, each under the name that inputs call it by.
	Connections map[string]Connection `koanf:"connections" jsonschema:"required" jsonschema_extras:"keys=name"`
	// Stores are the settings where files come from and go to. The name is the first part of a
	// STORE/PATH in a pipeline.
	Stores map[string]Store `koanf:"stores" jsonschema_extras:"keys=name"`
	// Notifications are the channels through which people are told, each under a name of its own.
	Notifications map[string]Channel `koanf:"notifications" jsonschema_extras:"keys=name"`
	// Worker holds the settings of the worker process.
	Worker Worker `koanf:"worker"`
	// Calendars are a bank's own, beside the built-in us-bank (the holidays of the Federal Reserve Banks).
	Calendars map[string]calendar.Data `koanf:"calendars" jsonschema_extras:"keys=name"`
	// Encryption seals what Temporal keeps. Without keys nothing is sealed. See docs/security.md.
	Encryption Encryption `koanf:"encryption"`
}

// Connection is one tenant of the service and how to log in to it.
type Connection struct {
	// BaseURL is the address of the application, https://HOST/TENANT.
	BaseURL string `koanf:"base_url" jsonschema:"required,format=https-url"`
	// TokenURL is where tokens are asked for: the IAM console's host, https://IAM/oauth2/v1/token.
	TokenURL string `koanf:"token_url" jsonschema:"required,format=https-url"`
	// TenantID is sent as ofs_tenant_id.
	TenantID string `koanf:"tenant_id" jsonschema:"required,format=text"`
	// ServiceID is sent as ofs_service_id.
	ServiceID string `koanf:"service_id" jsonschema:"required,format=text"`
	// WorkspaceID is sent as ofs_workspace_id.
	WorkspaceID string `koanf:"workspace_id" jsonschema:"format=text"`
	// RemoteUser is sent as ofs_remote_user: a user whose role holds the function BATCH_EXEC.
	RemoteUser string `koanf:"remote_user" jsonschema:"required,format=text"`
	// Locale is the language of the service's answers.
	Locale string `koanf:"locale" jsonschema:"format=text"`
	// AppID is the application whose reports are generated.
	AppID string `koanf:"app_id" jsonschema:"format=text"`

	// ClientID is the id of the tenant's application in the IAM console.
	ClientID string `koanf:"client_id" jsonschema:"required,format=text"`
	// ClientSecret belongs to ClientID. What one activity hands to the next is sealed with a key
	// that is derived from it, so all workers need the same one.
	ClientSecret Secret `koanf:"client_secret" jsonschema:"required"`
	// Username is the user who logs in.
	Username string `koanf:"username" jsonschema:"required,format=text"`
	// Password is that user's.
	Password Secret `koanf:"password" jsonschema:"required"`

	// CAFile is a file with certificates in PEM form. Only where a private authority signed the
	// service's certificate; they are trusted beside the system's.
	CAFile string `koanf:"ca_file"`
	// Insecure leaves certificates unverified. Never in production.
	Insecure bool `koanf:"insecure"`
	// Timeout is how long one call to the service may take, more than 0, at most 4m. A batch's trigger,
	// rerun or restart may take all of it; most other calls end after 90 seconds, whatever this says.
	// Of a transfer it is how long no byte may move.
	Timeout time.Duration `koanf:"timeout"`
	// Rate is in calls to the service per second, 0.1 to 1000, over all workers together: every
	// call and each look at a status. 0: as many as there are. The files of a folder are sent
	// with as many again.
	Rate float64 `koanf:"rate" jsonschema:"minimum=0,maximum=1000"`

	// PARHosts are the hosts that pre-authenticated URLs may name, with "*" for one label or a
	// part of it, and an optional port.
	PARHosts []string `koanf:"par_hosts" jsonschema:"minItems=1"`
	// MaxFileSize is in bytes: larger files are refused before they are sent. The service's
	// documentation says less than 10 TB; releases set it lower.
	MaxFileSize int64 `koanf:"max_file_size" jsonschema:"minimum=2,maximum=9999999999999"`
	// Transfer says how the connection's files move.
	Transfer Transfer `koanf:"transfer"`

	// DynamicParams says how a batch's parameters are sent: as JSON, or as a string that holds
	// JSON, as older releases want it.
	DynamicParams string `koanf:"dynamic_params" jsonschema:"enum=json,enum=string"`
	// MigrationStatusPath is where the state of an export or import is asked for; some releases
	// have it under /Public/status.
	MigrationStatusPath string `koanf:"migration_status_path" jsonschema:"format=path"`
	// ReportStatusBody says what is sent with the question for a report's state: nothing, or the
	// empty object that some gateways want.
	ReportStatusBody string `koanf:"report_status_body" jsonschema:"enum=none,enum=object"`
	// ReportDefType is sent as reportDefType where a report names none.
	ReportDefType string `koanf:"report_def_type" jsonschema:"format=text"`
	// ScanAfterUpload asks the service to scan each file once it is up, as releases from 24C on may want.
	ScanAfterUpload bool `koanf:"scan_after_upload"`
	// ExtraHeaders are sent with every call to the service, for gateways that want them.
	ExtraHeaders map[string]string `koanf:"extra_headers" jsonschema_extras:"keys=header"`
}

// Transfer says how the connection's files move, on one worker: all of them
// together, whichever way they go.
type Transfer struct {
	// Parallel is how many parts are on their way at once.
	Parallel int64 `koanf:"parallel" jsonschema:"minimum=1,maximum=64"`
	// PartSize is in bytes, 10 MiB to 50 GiB. A part on its way takes that much memory, 16 MiB at most. Parts of a file that has few are smaller, so that all streams have as many to do.
	PartSize int64 `koanf:"part_size" jsonschema:"minimum=10485760,maximum=53687091200"`
	// Threshold is in bytes: from this size on a file goes up in parts.
	Threshold int64 `koanf:"threshold" jsonschema:"minimum=1,maximum=53687091200"`
	// Bandwidth is in bytes per second, at least 65536; 0: as fast as it goes.
	Bandwidth int64 `koanf:"bandwidth" jsonschema:"minimum=0"`
}

// Store is a named place for files.
type Store struct {
	// URL is a folder (file:///data/inbox, or file://./inbox beside this file; with
	// create_dir=true behind a "?" it is made), a bucket (s3://BUCKET?region=R&endpoint=URL) or a folder of an SFTP server
	// (sftp://USER@HOST:PORT/FOLDER).
	URL string `koanf:"url" jsonschema:"required,minLength=1"`

	// AccessKey is for S3. Without it the AWS SDK looks where it always looks. The key may list, read, write and
	// delete: where it may not list, S3 says of a file that is late that it is forbidden, not that it is missing.
	AccessKey Secret `koanf:"access_key"`
	// SecretKey belongs to AccessKey.
	SecretKey Secret `koanf:"secret_key"`

	// KeyFile is for SFTP: the private key to log in with; Password may be given instead, or both.
	KeyFile string `koanf:"key_file"`
	// KeyPassphrase opens KeyFile where it is encrypted.
	KeyPassphrase Secret `koanf:"key_passphrase"`
	// Password is for SFTP.
	Password Secret `koanf:"password"`
	// KnownHosts is for SFTP: a file as OpenSSH writes it, by which the server is known.
	KnownHosts string `koanf:"known_hosts"`
	// Fingerprint is for SFTP, in place of KnownHosts: that of the server's key, SHA256:...
	Fingerprint string `koanf:"fingerprint"`
}

// Channel is where people are told what happens in closes, and in jobs that run by themselves.
type Channel struct {
	// Kind is slack (an incoming webhook of Slack, Mattermost or Rocket.Chat), teams (a webhook of
	// a workflow there), webhook (a POST of JSON) or mail.
	Kind string `koanf:"kind" jsonschema:"required,enum=slack,enum=teams,enum=webhook,enum=mail"`
	// URL is where to send to: https, or for mail smtp://USER:PASSWORD@HOST:587 (STARTTLS),
	// smtps://USER:PASSWORD@HOST:465 or smtp://HOST:25?tls=none.
	URL Secret `koanf:"url" jsonschema:"required"`
	// SigningKey signs what a webhook gets, as standardwebhooks.com says: 24 to 64 bytes as base64,
	// with or without whsec_ before them. Without it nothing is signed.
	SigningKey Secret `koanf:"signing_key"`
	// From is the address that mail comes from.
	From string `koanf:"from"`
	// To are the addresses that mail goes to.
	To []string `koanf:"to"`
	// CAFile holds certificates in PEM form, where a private authority signed the receiver's.
	CAFile string `koanf:"ca_file"`
	// On are the events that it is told of: waiting, late, failed, cancelled, succeeded.
	On []string `koanf:"on" jsonschema:"enum=waiting,enum=late,enum=failed,enum=cancelled,enum=succeeded"`
	// Connections are those of which it is told; without them, all.
	Connections []string `koanf:"connections"`
}

// Worker holds the worker process's own settings.
type Worker struct {
	// TaskQueue is the queue of the closes; the starter needs the same one.
	TaskQueue string `koanf:"task_queue" jsonschema:"format=text"`
	// Pipelines is the folder of the definitions.
	Pipelines string `koanf:"pipelines" jsonschema:"minLength=1"`
	// Health is the address, HOST:PORT, of /healthz, /readyz and /metrics.
	Health string `koanf:"health" jsonschema:"format=address"`
	// TemporalUI is the address of Temporal's web interface, for the links in notifications.
	// Without it $TEMPORAL_UI is taken.
	TemporalUI string `koanf:"temporal_ui"`
	// StopTimeout is how long what runs may go on when the worker is told to stop, more than 0.
	StopTimeout time.Duration `koanf:"stop_timeout"`
	// Log says what is logged and how.
	Log Log `koanf:"log"`
	// CachedWorkflows is how many workflows stay in memory between two of their events. Others
	// go on by what their history tells: a little slower, and in no memory meanwhile.
	CachedWorkflows int64 `koanf:"cached_workflows" jsonschema:"minimum=1"`
	// Poll says how often a job is asked for its state.
	Poll Poll `koanf:"poll"`
	// CensusInterval is how often Temporal is asked what waits for an operator, for /metrics, more than 0.
	CensusInterval time.Duration `koanf:"census_interval"`
}

// Log says what is logged and how.
type Log struct {
	// Level is the least that is logged.
	Level string `koanf:"level" jsonschema:"enum=debug,enum=info,enum=warn,enum=error"`
	// Format is a line of JSON for machines, or a line of text for people.
	Format string `koanf:"format" jsonschema:"enum=json,enum=console"`
}

// Poll says how often a job is asked for its state: after Ratio of the time
// that it has run, but at least Min and at most Max.
type Poll struct {
	// Ratio is a part of the time that the job has run: 0.05 is 5 %.
	Ratio float64 `koanf:"ratio" jsonschema:"exclusiveMinimum=0,maximum=1"`
	// Min is the shortest time between two questions, more than 0.
	Min time.Duration `koanf:"min"`
	// Max is the longest time between two questions, at least Min.
	Max time.Duration `koanf:"max"`
}

// StoreSettings is what stores.Open takes.
func (c *Config) StoreSettings() map[string]stores.Settings {
	settings := map[string]stores.Settings{}
	for name, store := range c.Stores {
		settings[name] = store.settings()
	}
	return settings
}

func (s Store) settings() stores.Settings {
	return stores.Settings{
		URL: s.URL, AccessKey: s.AccessKey.Expose(), SecretKey: s.SecretKey.Expose(),
		KeyFile: s.KeyFile, KeyPassphrase: s.KeyPassphrase.Expose(), Password: s.Password.Expose(),
		KnownHosts: s.KnownHosts, Fingerprint: s.Fingerprint,
	}
}

// NotifyChannels is what notify.Open takes.
func (c *Config) NotifyChannels() map[string]notify.Channel {
	channels := map[string]notify.Channel{}
	for name, channel := range c.Notifications {
		channels[name] = channel.channel()
	}
	return channels
}

func (c Channel) channel() notify.Channel {
	return notify.Channel{
		Kind: c.Kind, URL: c.URL.Expose(), SigningKey: c.SigningKey.Expose(), From: c.From, To: c.To, CAFile: c.CAFile, On: c.On, Connections: c.Connections,
	}
}

func defaults() Config {
	return Config{Connections: map[string]Connection{}, Stores: map[string]Store{}, Notifications: map[string]Channel{}, Calendars: map[string]calendar.Data{}, Worker: Worker{
		TaskQueue:       "pbsm",
		Pipelines:       "pipelines",
		Health:          ":9090",
		StopTimeout:     30 * time.Second,
		Log:             Log{Level: "info", Format: "json"},
		CachedWorkflows: 1000,
		Poll:            Poll{Ratio: 0.05, Min: 2 * time.Second, Max: 60 * time.Second},
		CensusInterval:  30 * time.Second,
	}}
}

func transferDefaults() Transfer {
	return Transfer{Parallel: parstore.DefaultParallel, PartSize: parstore.DefaultPartSize, Threshold: parstore.DefaultThreshold}
}

// Defaults is what a configuration is that leaves everything out which it may; each section of
// named things has one, NAME.
func Defaults() *Config {
	l := &loader{k: koanf.New(".")}
	for field := range reflect.TypeFor[Config]().Fields() {
		if field.Type.Kind() == reflect.Map {
			_ = l.k.Set(field.Tag.Get("koanf")+".NAME", map[string]any{}) // an empty configuration takes any key
		}
	}
	return l.decode()
}

// connectionDefaults are the values of keys that a connection does not have.
func connectionDefaults() map[string]any {
	return map[string]any{
		"workspace_id":          "WS001",
		"locale":                "en-US",
		"app_id":                "PBSMCS",
		"timeout":               "60s",
		"par_hosts":             []any{"objectstorage.*.oraclecloud.com"},
		"max_file_size":         int64(maxFileSize),
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
