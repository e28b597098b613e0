// Package config reads pbsm.yaml: the connections to the service, the stores, the notification channels,
// the calendars, the encryption keys, the worker's settings and those of the operator's console. The connection to Temporal is configured
// elsewhere, see internal/temporalclient.
//
// Every key can be overridden from the environment: PBSM_ and the key in upper case, with "__" between the
// levels, as in
//
//	PBSM_CONNECTIONS__PROD__BASE_URL=https://host/tenant
//	PBSM_CONNECTIONS__PROD__PASSWORD__FILE=/run/secrets/password
//	PBSM_CONNECTIONS__PROD__PAR_HOSTS=a.example.com,b.example.com
//	PBSM_WORKER__POLL__MAX=30s
//
// Names of connections, stores and keys are lower case; a "-" in a name is a "_" in its variable. Variables
// without "__" are not overrides. Relative paths are relative to the configuration file's folder.
//
// The comments of [Config]'s fields, and of theirs, are the text of docs/configuration.md and of the JSON
// Schema (make generate): each says what the key does, and its unit. Defaults come from [Defaults]. The tag
// jsonschema says what an editor can check before the worker does: required, enum=, minimum=, maximum=,
// format= (one of [Forms]); jsonschema_extras:"keys=..." is the form of a map's keys.
//
// A new key is a field here, with its default in defaults.go and its check in validate.go. One of a connection, a store
// or a channel is copied in convert.go; one of the worker is used where it takes effect, in worker/ or activities/.
package config

import (
	"time"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
)

// Config is the content of pbsm.yaml, with defaults filled in.
type Config struct {
	// Connections are the tenants of the service. Inputs refer to a connection by its name.
	Connections map[string]Connection `koanf:"connections" jsonschema:"required" jsonschema_extras:"keys=name"`
	// Stores are the places that files come from and go to. In a pipeline, the first part of a STORE/PATH is
	// the name of a store.
	Stores map[string]Store `koanf:"stores" jsonschema_extras:"keys=name"`
	// Notifications are the channels that notifications are sent to.
	Notifications map[string]Channel `koanf:"notifications" jsonschema_extras:"keys=name"`
	// Worker are the settings of the worker process.
	Worker Worker `koanf:"worker"`
	// Calendars are the bank's own, in addition to the built-in ones such as us-bank (the holidays of the Federal Reserve
	// Banks) and target2.
	Calendars map[string]calendar.Data `koanf:"calendars" jsonschema_extras:"keys=name"`
	// Encryption encrypts what Temporal stores. Without keys nothing is encrypted. See docs/security.md.
	Encryption Encryption `koanf:"encryption"`
	// Commands says whose commands the workers accept. See docs/security.md.
	Commands Commands `koanf:"commands"`
	// Console are the settings of the operator's console, starter console.
	Console Console `koanf:"console"`
}

// Connection is one tenant of the service and how to log in to it.
type Connection struct {
	// BaseURL is the address of the application, https://HOST/TENANT. A simulator on this machine may have http.
	BaseURL string `koanf:"base_url" jsonschema:"required,format=https-url"`
	// TokenURL is the token endpoint, on the host of the IAM console: https://IAM/oauth2/v1/token.
	TokenURL string `koanf:"token_url" jsonschema:"required,format=https-url"`
	// TenantID is sent as ofs_tenant_id.
	TenantID string `koanf:"tenant_id" jsonschema:"required,format=text"`
	// ServiceID is sent as ofs_service_id.
	ServiceID string `koanf:"service_id" jsonschema:"required,format=text"`
	// WorkspaceID is sent as ofs_workspace_id.
	WorkspaceID string `koanf:"workspace_id" jsonschema:"format=text"`
	// RemoteUser is sent as ofs_remote_user: a user with a role that has the function BATCH_EXEC.
	RemoteUser string `koanf:"remote_user" jsonschema:"required,format=text"`
	// Locale is the language of the service's responses.
	Locale string `koanf:"locale" jsonschema:"format=text"`
	// AppID is the application whose reports are generated.
	AppID string `koanf:"app_id" jsonschema:"format=text"`

	// ClientID is the id of the tenant's application in the IAM console.
	ClientID string `koanf:"client_id" jsonschema:"required,format=text"`
	// ClientSecret is the secret of that application. All workers need the same one: a key derived from it
	// encrypts what one activity passes to the next. It is read once: restart the workers after a change.
	ClientSecret Secret `koanf:"client_secret" jsonschema:"required"`
	// Username is the user who logs in.
	Username string `koanf:"username" jsonschema:"required,format=text"`
	// Password is the password of that user. It is read once: restart the workers after a change.
	Password Secret `koanf:"password" jsonschema:"required"`
	// TokenScope is what a token is requested for. Without offline_access the service gives no refresh token, and each
	// renewal is a login. urn:opc:resource:expiry=SECONDS, as in newer guides, asks for a token that lives so long.
	TokenScope string `koanf:"token_scope" jsonschema:"format=text"`

	// CAFile is a file of certificates in PEM form that are trusted in addition to the system's. It is needed
	// only if a private authority signed the service's certificate.
	CAFile string `koanf:"ca_file"`
	// Insecure turns off the verification of certificates. Never use it in production.
	Insecure bool `koanf:"insecure"`
	// Timeout is the time limit for one call to the service, more than 0 and at most 4m. A trigger, rerun or
	// restart may take all of it; most other calls have 90 seconds at most, whatever the setting. A transfer
	// fails when no byte has moved for that long.
	Timeout time.Duration `koanf:"timeout"`
	// Rate is the maximum number of calls to the service per second over all workers together, 0.1 to 1000,
	// including the polls for a status; 0 means no limit. The files of a folder have a limit of their own, of
	// the same size.
	Rate float64 `koanf:"rate" jsonschema:"minimum=0,maximum=1000"`

	// PARHosts are the hosts that pre-authenticated URLs may point to. "*" matches one label or a part of it;
	// a port may follow.
	PARHosts []string `koanf:"par_hosts" jsonschema:"minItems=1"`
	// MaxFileSize is in bytes. Larger files are refused before anything is sent. The service's documentation
	// says less than 10 TB; some releases have a lower limit.
	MaxFileSize int64 `koanf:"max_file_size" jsonschema:"minimum=2,maximum=9999999999999"`
	// Transfer says how files are transferred.
	Transfer Transfer `koanf:"transfer"`

	// DynamicParams is how the parameters of a batch are sent: as JSON, or as a string that contains JSON, as
	// older releases expect it.
	DynamicParams string `koanf:"dynamic_params" jsonschema:"enum=json,enum=string"`
	// TaskLists is how the included, excluded and held tasks of a batch are sent: as one string, separated by commas,
	// or as an array. No page of the service's documentation shows an array.
	TaskLists string `koanf:"task_lists" jsonschema:"enum=string,enum=array"`
	// StatusTasks is the same for the tasks that a status is limited to.
	StatusTasks string `koanf:"status_tasks" jsonschema:"enum=string,enum=array"`
	// TaskParams says for which triggers the tenant takes parameters of single tasks (taskRuntimeParams): none,
	// batches (from 25C on), or members: also for those of a group. A step that has some is refused otherwise.
	TaskParams string `koanf:"task_params" jsonschema:"enum=none,enum=batches,enum=members"`
	// GroupDate says that the tenant takes the as-of date for a whole batch group, from 26D on. Elsewhere the
	// members that a step does not list run for the service's own day, in UTC.
	GroupDate bool `koanf:"group_date"`
	// UploadBody is how a file is announced before its upload: as an object, or as an array of one object, as
	// some releases expect it.
	UploadBody string `koanf:"upload_body" jsonschema:"enum=object,enum=array"`
	// ExportStatusPath is the path of the status of exports. Where the tenant does not know /public/status (HTTP 404),
	// /Public/status is tried too, and the other way round.
	ExportStatusPath string `koanf:"export_status_path" jsonschema:"format=path"`
	// ImportStatusPath is the path of the status of imports. Where the tenant does not know /public/status (HTTP 404),
	// /Public/status is tried too, and the other way round.
	ImportStatusPath string `koanf:"import_status_path" jsonschema:"format=path"`
	// ReportStatusBody is the body of a request for a report's status: none, or the empty JSON object, which
	// some gateways insist on.
	ReportStatusBody string `koanf:"report_status_body" jsonschema:"enum=none,enum=object"`
	// ReportHeaders is how the headers of a request for a report's status are spelled: reportcode and
	// reportInstanceID, or reportCode and reportInstanceId, as in 26D. Only some gateways tell them apart.
	ReportHeaders string `koanf:"report_headers" jsonschema:"enum=reportcode,enum=reportCode"`
	// ServiceIDOnExport sends ofs_service_id with exports and imports too, as 26D lists it.
	ServiceIDOnExport bool `koanf:"service_id_on_export"`
	// DeleteMethod is the method of the calls that delete files: the documentation's text says DELETE, its examples
	// say POST.
	DeleteMethod string `koanf:"delete_method" jsonschema:"enum=POST,enum=DELETE"`
	// ReportDefType is sent as reportDefType when a report does not specify one.
	ReportDefType string `koanf:"report_def_type" jsonschema:"format=text"`
	// ScanAfterUpload asks the service to scan each file after its upload. That is the last step of an upload in the
	// service's file guide since 22.12.01; its API guide does not mention it. Where the tenant has no such call (HTTP
	// 404), the file counts as uploaded once the service lists it, and its result says that it was not scanned: turn it
	// off there. A scan that fails or finds something fails the upload; while it is in progress, it is requested again.
	ScanAfterUpload bool `koanf:"scan_after_upload"`
	// ExtraHeaders are sent with every call to the service, for gateways that require them.
	ExtraHeaders map[string]string `koanf:"extra_headers" jsonschema_extras:"keys=header"`
}

// Transfer says how a worker transfers the connection's files. The limits apply to all transfers together, in
// both directions.
type Transfer struct {
	// Parallel is the number of parts that are transferred at the same time.
	Parallel int64 `koanf:"parallel" jsonschema:"minimum=1,maximum=64"`
	// PartSize is the size of a part in bytes, 10 MiB to 50 GiB. Each part in transfer uses that much memory,
	// but at most 16 MiB. Files that would have only a few parts are split into smaller ones, so that every
	// stream has the same share.
	PartSize int64 `koanf:"part_size" jsonschema:"minimum=10485760,maximum=53687091200"`
	// Threshold is the file size in bytes from which an upload is split into parts. A store that does not take parts gets
	// the whole file in one request.
	Threshold int64 `koanf:"threshold" jsonschema:"minimum=1,maximum=53687091200"`
	// Bandwidth is the maximum in bytes per second, at least 65536; 0 means no limit.
	Bandwidth int64 `koanf:"bandwidth" jsonschema:"minimum=0"`
}

// Store is where files come from and go to.
type Store struct {
	// URL is a folder (file:///data/inbox, or file://./inbox next to this file; with ?create_dir=true it is created),
	// a bucket (s3://BUCKET?region=R&endpoint=URL) or a folder on an SFTP server
	// (sftp://USER@HOST:PORT/FOLDER).
	URL string `koanf:"url" jsonschema:"required,minLength=1"`

	// AccessKey is for S3. Without it the AWS SDK uses its default sources of credentials. The key needs the
	// permissions to list, read, write and delete: without the permission to list, S3 reports a missing file
	// as forbidden.
	AccessKey Secret `koanf:"access_key"`
	// SecretKey belongs to AccessKey.
	SecretKey Secret `koanf:"secret_key"`

	// KeyFile is for SFTP: the private key to log in with. Password can be given instead, or as well.
	KeyFile string `koanf:"key_file"`
	// KeyPassphrase decrypts KeyFile, if it is encrypted.
	KeyPassphrase Secret `koanf:"key_passphrase"`
	// Password is for SFTP.
	Password Secret `koanf:"password"`
	// KnownHosts is for SFTP: an OpenSSH known_hosts file that contains one of the server's keys, or with
	// @cert-authority the key that signed its certificate.
	KnownHosts string `koanf:"known_hosts"`
	// Fingerprint is for SFTP, instead of KnownHosts: the fingerprint of one of the server's keys,
	// SHA256:...
	Fingerprint string `koanf:"fingerprint"`

	// Unfinished are further names of files that a program is still writing, such as *.lock; * matches any
	// letters. The upload of a folder waits, or asks, while it holds one. docs/pipelines.md lists the known ones.
	Unfinished []string `koanf:"unfinished"`
	// Ignored are further names of files that an upload of their folder leaves out, such as README*. They count
	// before all others.
	Ignored []string `koanf:"ignored"`
}

// Channel is where notifications about closes, and about workflows that run on their own, are sent.
type Channel struct {
	// Kind is the kind of receiver: slack (an incoming webhook of Slack, Mattermost or Rocket.Chat), teams (a
	// webhook of a Teams workflow), webhook (a POST of JSON) or mail.
	Kind string `koanf:"kind" jsonschema:"required,enum=slack,enum=teams,enum=webhook,enum=mail"`
	// URL is the receiver's address: https, or for mail smtp://USER:PASSWORD@HOST:587 (STARTTLS),
	// smtps://USER:PASSWORD@HOST:465 or smtp://HOST:25?tls=none.
	URL Secret `koanf:"url" jsonschema:"required"`
	// SigningKey signs the messages of a webhook as standardwebhooks.com specifies: 24 to 64 bytes in base64,
	// with or without the prefix whsec_. Without it messages are not signed.
	SigningKey Secret `koanf:"signing_key"`
	// From is the sender's address, for mail.
	From string `koanf:"from"`
	// To are the recipients' addresses, for mail.
	To []string `koanf:"to"`
	// Helo is the name with which the worker introduces itself to the mail server; without the key, that of its
	// host. In a container that is a name which a server may refuse.
	Helo string `koanf:"helo"`
	// CAFile is a file of certificates in PEM form that are trusted in addition to the system's. It is needed
	// only if a private authority signed the receiver's certificate.
	CAFile string `koanf:"ca_file"`
	// On are the events that the channel receives.
	On []string `koanf:"on" jsonschema:"enum=waiting,enum=at_risk,enum=failed,enum=cancelled,enum=succeeded"`
	// Connections are the connections whose events the channel receives; without the key, all.
	Connections []string `koanf:"connections" jsonschema:"minItems=1"`
}

// Where a close may take its definition from.
const (
	AnyDefinition     = "any"
	FolderDefinitions = "folder"
)

// Worker are the settings of the worker process.
type Worker struct {
	// TaskQueue is the task queue of the closes. The starter takes it from the same file, or from --task-queue.
	TaskQueue string `koanf:"task_queue" jsonschema:"format=text"`
	// Pipelines is the folder of the pipeline definitions.
	Pipelines string `koanf:"pipelines" jsonschema:"minLength=1"`
	// Definitions says where a close may take its definition from: any, or folder, which refuses definitions that are
	// sent along with a start. Then only who can write the pipelines folder decides what a close does.
	Definitions string `koanf:"definitions" jsonschema:"enum=any,enum=folder"`
	// Health is the address, HOST:PORT, of /healthz, /readyz and /metrics.
	Health string `koanf:"health" jsonschema:"format=address"`
	// TemporalUI is the address of the Temporal UI, for links in notifications. The default is the
	// environment variable TEMPORAL_UI.
	TemporalUI string `koanf:"temporal_ui"`
	// Starter is how operators call the starter where they are, such as bin/starter, or docker compose run --rm starter.
	// Every command that a message, the worker or the starter prints begins with it. The default is starter; what the
	// starter prints begins with the path that it was called by.
	Starter Starter `koanf:"starter"`
	// StopTimeout is how long running activities may take to finish when the worker stops, more than 0.
	StopTimeout time.Duration `koanf:"stop_timeout"`
	// Log says what is logged, and in which format.
	Log Log `koanf:"log"`
	// CachedWorkflows is the number of workflows that stay in memory between two of their events. Others are
	// replayed from their history, which is a little slower and uses no memory in between.
	CachedWorkflows int64 `koanf:"cached_workflows" jsonschema:"minimum=1"`
	// Poll is how often the status of a run is polled.
	Poll Poll `koanf:"poll"`
	// AskAfter is how long a call, a poll or a transfer may be repeated without success, or be paused in Temporal,
	// until it becomes a question to the operator. It is still repeated. 0: never.
	AskAfter time.Duration `koanf:"ask_after"`
	// CollectInterval is how often the workflows that wait for an operator are read from Temporal for
	// /metrics, more than 0.
	CollectInterval time.Duration `koanf:"collect_interval"`
}

// Log says what is logged, and in which format.
type Log struct {
	// Level is the lowest level that is logged.
	Level string `koanf:"level" jsonschema:"enum=debug,enum=info,enum=warn,enum=error"`
	// Format is the format of a log line: json, or text for a terminal.
	Format string `koanf:"format" jsonschema:"enum=json,enum=text"`
}

// Poll is how often the status of a run is polled: the interval is Ratio of the time since the run began, but
// at least Min and at most Max.
type Poll struct {
	// Ratio is a fraction of the time since the run began: 0.05 is 5 %.
	Ratio float64 `koanf:"ratio" jsonschema:"exclusiveMinimum=0,maximum=1"`
	// Min is the shortest interval between two polls, more than 0.
	Min time.Duration `koanf:"min"`
	// Max is the longest interval between two polls, at least Min.
	Max time.Duration `koanf:"max"`
}
