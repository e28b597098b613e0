package config

import (
	"crypto/ed25519"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/ssh"

	"github.com/pbsmflow/pbsmflow/internal/notify"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

const canary = "canary-hunter2"

// complete has every key, and secrets of every form.
const complete = `
connections:
  prod:
    base_url: https://host.example.com/tenant/
    token_url: https://iam.example.com/oauth2/v1/token
    tenant_id: tenant
    service_id: service
    workspace_id: WS002
    remote_user: closeuser
    locale: de-DE
    app_id: APP
    client_id: id
    client_secret: {env: PBSM_CLIENT_SECRET}
    username: user
    password: {file: secrets/password}
    ca_file: outcert.pem
    par_hosts: ["objectstorage.*.example.com"]
    insecure: true
    timeout: 90s
    dynamic_params: string
    upload_body: array
    export_status_path: /Public/status
    import_status_path: /other/status
    report_status_body: object
    report_def_type: X
    max_file_size: 1000000
    transfer: {parallel: 8, part_size: 33554432, bandwidth: 10000000}
    scan_after_upload: false
    token_scope: urn:opc:idm:__myscopes__ urn:opc:resource:expiry=9153600
    task_lists: array
    status_tasks: string
    task_params: members
    group_date: true
    report_headers: reportCode
    service_id_on_export: true
    delete_method: DELETE
    extra_headers: {X-Gateway-Key: abc}
stores:
  inbox: {url: "file:///data/inbox", unfinished: ["*.lock"], ignored: ["README*"]}
  reports: {url: "file://./out?create_dir=true"}
worker:
  definitions: folder
  task_queue: nights
  pipelines: nights.d
  health: 127.0.0.1:9999
  stop_timeout: 1m
  cached_workflows: 200
  log: {level: debug, format: text}
  poll: {ratio: 0.1, min: 1s, max: 2m}
`

// minimal has only what is required.
const minimal = `
connections:
  prod:
    base_url: https://host.example.com/tenant
    token_url: https://iam.example.com/oauth2/v1/token
    tenant_id: tenant
    service_id: service
    remote_user: closeuser
    client_id: id
    client_secret: ` + canary + `
    username: user
    password: ` + canary + `
`

// folder makes a configuration's folder and returns the path of its file.
func folder(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, content := range map[string]string{
		"pbsm.yaml": text, "secrets/password": canary + "\r\n", "outcert.pem": string(certificate), "empty": "\n",
		"key.pem": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})), "two-lines": "a\nb\n",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return filepath.Join(dir, "pbsm.yaml")
}

func TestLoad_complete(t *testing.T) {
	path := folder(t, complete)
	cfg, err := Load(path, []string{"PBSM_CLIENT_SECRET=" + canary})
	require.NoError(t, err)
	dir := filepath.Dir(path)
	c := cfg.Connections["prod"]
	assert.Equal(t, canary, c.ClientSecret.Expose())
	assert.Equal(t, canary, c.Password.Expose(), "without the line break")
	assert.Equal(t, []string{"objectstorage.*.example.com"}, c.PARHosts)
	assert.False(t, c.ScanAfterUpload)
	assert.Equal(t, Transfer{Parallel: 8, PartSize: 32 << 20, Threshold: 100 << 20, Bandwidth: 10_000_000}, c.Transfer, "the default stays")
	assert.Equal(t, pbsm.Config{
		BaseURL: "https://host.example.com/tenant", TokenURL: "https://iam.example.com/oauth2/v1/token",
		TenantID: "tenant", ServiceID: "service", WorkspaceID: "WS002", RemoteUser: "closeuser", Locale: "de-DE", AppID: "APP",
		ClientID: "id", ClientSecret: canary, Username: "user", Password: canary,
		CAFile: filepath.Join(dir, "outcert.pem"), Insecure: true, Timeout: 90 * time.Second,
		DynamicParams: pbsm.DynamicParamsString, UploadBody: pbsm.UploadBodyArray, ExportStatusPath: "/Public/status", ImportStatusPath: "/other/status",
		ReportStatusBody: pbsm.ReportStatusBodyObject, ReportDefType: "X", MaxFileSize: 1000000,
		TokenScope: "urn:opc:idm:__myscopes__ urn:opc:resource:expiry=9153600",
		TaskLists:  pbsm.TaskListsArray, StatusTasks: pbsm.TaskListsString, TaskParams: pbsm.TaskParamsMembers, GroupDate: true,
		ReportHeaders: pbsm.ReportHeadersCamel, ServiceIDOnExport: true, DeleteMethod: "DELETE",
		ExtraHeaders: map[string]string{"X-Gateway-Key": "abc"}, UserAgent: "pbsmflow/dev",
	}, c.Client())
	assert.Equal(t, map[string]stores.Settings{"inbox": {URL: "file:///data/inbox", Unfinished: []string{"*.lock"}, Ignored: []string{"README*"}}, "reports": {URL: "file://" + dir + "/out?create_dir=true"}}, cfg.StoreSettings())
	assert.Equal(t, Worker{TaskQueue: "nights", Pipelines: filepath.Join(dir, "nights.d"), Definitions: FolderDefinitions, Health: "127.0.0.1:9999", StopTimeout: time.Minute, CachedWorkflows: 200,
		Log: Log{"debug", "text"}, Poll: Poll{0.1, time.Second, 2 * time.Minute},
		AskAfter: 15 * time.Minute, CollectInterval: 30 * time.Second}, cfg.Worker)

	opened, err := stores.Open(t.Context(), map[string]stores.Settings{"reports": cfg.StoreSettings()["reports"]})
	require.NoError(t, err)
	require.NoError(t, opened.Close())
	assert.DirExists(t, filepath.Join(dir, "out"))
}

func TestLoad_defaults(t *testing.T) {
	path := folder(t, minimal)
	cfg, err := Load(path, nil)
	require.NoError(t, err)
	c := cfg.Connections["prod"]
	assert.Equal(t, []any{"WS001", "en-US", "PBSMCS", time.Minute, int64(9_999_999_999_999), "json", "object", "/public/status", "/public/status", "none", "V", false},
		[]any{c.WorkspaceID, c.Locale, c.AppID, c.Timeout, c.MaxFileSize, c.DynamicParams, c.UploadBody, c.ExportStatusPath, c.ImportStatusPath, c.ReportStatusBody, c.ReportDefType, c.Insecure})
	assert.True(t, c.ScanAfterUpload)
	assert.Equal(t, []string{"string", "array", "none", "reportcode", "POST", "urn:opc:idm:__myscopes__ offline_access"},
		[]string{c.TaskLists, c.StatusTasks, c.TaskParams, c.ReportHeaders, c.DeleteMethod, c.TokenScope})
	assert.False(t, c.GroupDate || c.ServiceIDOnExport)
	assert.Equal(t, []string{"objectstorage.*.oraclecloud.com", "*.objectstorage.*.oci.customer-oci.com"}, c.PARHosts)
	assert.Equal(t, Worker{TaskQueue: "pbsm", Pipelines: filepath.Join(filepath.Dir(path), "pipelines"), Definitions: AnyDefinition, Health: ":9090", StopTimeout: 30 * time.Second, CachedWorkflows: 1000,
		Log: Log{"info", "json"}, Poll: Poll{0.05, 2 * time.Second, time.Minute},
		AskAfter: 15 * time.Minute, CollectInterval: 30 * time.Second}, cfg.Worker)
	client, err := pbsm.New(c.Client())
	require.NoError(t, err, "what is valid here is valid there")
	_ = client
}

func TestLoad_environmentOverridesFile(t *testing.T) {
	path := folder(t, strings.ReplaceAll(complete, "  prod:", "  us-prod:"))
	cfg, err := Load("", []string{
		"PBSM_CONFIG=" + path,
		"PBSM_CLIENT_SECRET=unused", "PBSM_SOMETHING__ELSE=unused", "OTHER=unused", "no assignment",
		"PBSM_CONNECTIONS__US_PROD__BASE_URL=https://other.example.com/t",
		"PBSM_CONNECTIONS__US_PROD__CLIENT_SECRET__FILE=secrets/password",
		"PBSM_CONNECTIONS__US_PROD__PASSWORD=007",
		"PBSM_CONNECTIONS__US_PROD__INSECURE=false",
		"PBSM_CONNECTIONS__US_PROD__TIMEOUT=5s",
		"PBSM_CONNECTIONS__US_PROD__MAX_FILE_SIZE=77",
		"PBSM_CONNECTIONS__US_PROD__TRANSFER__PARALLEL=2",
		"PBSM_CONNECTIONS__US_PROD__PAR_HOSTS=a.example.com,b.example.com:8443",
		"PBSM_STORES__ARCHIVE__URL=file:///archive",
		"PBSM_WORKER__POLL__RATIO=0.2",
		"PBSM_WORKER__TASK_QUEUE=12",
	})
	require.NoError(t, err)
	c := cfg.Connections["us-prod"]
	assert.Equal(t, "https://other.example.com/t", c.BaseURL)
	assert.Equal(t, canary, c.ClientSecret.Expose(), "a source replaces the other source of the file")
	assert.Equal(t, "007", c.Password.Expose(), "a text stays as it is")
	assert.False(t, c.Insecure)
	assert.Equal(t, 5*time.Second, c.Timeout)
	assert.EqualValues(t, 77, c.MaxFileSize)
	assert.EqualValues(t, 2, c.Transfer.Parallel)
	assert.EqualValues(t, 32<<20, c.Transfer.PartSize)
	assert.Equal(t, []string{"a.example.com", "b.example.com:8443"}, c.PARHosts)
	assert.Equal(t, "file:///archive", cfg.Stores["archive"].URL)
	assert.Equal(t, 0.2, cfg.Worker.Poll.Ratio)
	assert.Equal(t, "12", cfg.Worker.TaskQueue)
	assert.Equal(t, time.Second, cfg.Worker.Poll.Min, "what is not overridden stays")
}

func TestLoad_findsFile(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := Load("", nil)
	assert.EqualError(t, err, "there is no configuration: give --config FILE, set PBSM_CONFIG, or write ./pbsm.yaml")
	_, err = Load("missing.yaml", []string{"PBSM_WORKER__TASK_QUEUE=x"})
	assert.ErrorContains(t, err, "missing.yaml")

	path := folder(t, minimal)
	cfg, err := Load(path, []string{"PBSM_CONFIG=missing.yaml"})
	require.NoError(t, err, "the argument comes first")
	assert.Contains(t, cfg.Connections, "prod")

	var env []string
	for line := range strings.SplitSeq(minimal, "\n") {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			env = append(env, "PBSM_CONNECTIONS__PROD__"+strings.ToUpper(key)+"="+value)
		}
	}
	cfg, err = Load("", env)
	require.NoError(t, err, "the environment alone can be enough")
	assert.Equal(t, canary, cfg.Connections["prod"].Password.Expose())

	require.NoError(t, os.WriteFile("pbsm.yaml", []byte(minimal), 0o600))
	_, err = Load("", nil)
	require.NoError(t, err)
}

func TestLoad_problem(t *testing.T) {
	tests := map[string]struct {
		add  string // below connections.prod, or replacing all when it starts at column 0
		env  string
		want string
	}{
		"nothing":             {add: "x", want: "is not YAML"},
		"a secret as file":    {add: canary, want: "is not YAML"},
		"empty":               {add: "{}", want: "connections: is missing: at least one is needed"},
		"unknown section":     {add: minimal + "server: {}", want: "server: unknown key"},
		"unknown key":         {add: "    base_uri: x", want: "connections.prod.base_uri: unknown key"},
		"unknown worker key":  {add: minimal + "worker: {log: {levl: x}}", want: "worker.log.levl: unknown key"},
		"case":                {add: "    Insecure: true", want: "connections.prod.Insecure: unknown key"},
		"key twice":           {add: "    username: x", want: `mapping key "username" already defined`},
		"number for text":     {add: "    app_id: 12", want: "connections.prod.app_id: must be a text; put a number in quotes"},
		"text for number":     {add: "    max_file_size: much", want: "connections.prod.max_file_size: must be a whole number"},
		"half a byte":         {add: "    max_file_size: 10.5", want: "connections.prod.max_file_size: must be a whole number"},
		"no streams":          {add: "    transfer: {parallel: 0}", want: "connections.prod.transfer.parallel: must be 1 to 64"},
		"small parts":         {add: "    transfer: {part_size: 1000000}", want: "connections.prod.transfer.part_size: must be 10485760 (10 MiB)"},
		"no threshold":        {add: "    transfer: {threshold: 0}", want: "connections.prod.transfer.threshold: must be 1"},
		"no bandwidth":        {add: "    transfer: {bandwidth: 1}", want: "connections.prod.transfer.bandwidth: must be 0 (no limit) or at least 65536"},
		"unknown transfer":    {add: "    transfer: {paralel: 2}", want: "connections.prod.transfer.paralel: unknown key"},
		"10 TB":               {add: "    max_file_size: 10000000000000", want: "connections.prod.max_file_size: must be 2 to 9999999999999 bytes"},
		"one byte":            {add: "    max_file_size: 1", want: "must be 2 to 9999999999999 bytes"},
		"text for bool":       {add: "    insecure: maybe", want: "connections.prod.insecure: must be true or false"},
		"bare timeout":        {add: "    timeout: 60", want: "connections.prod.timeout: must be a duration"},
		"no timeout":          {add: "    timeout: 0s", want: "connections.prod.timeout: must be more than 0"},
		"long timeout":        {add: "    timeout: 10m", want: "connections.prod.timeout: must be more than 0 and at most 4m0s"},
		"empty default":       {add: `    locale: ""`, want: "connections.prod.locale: is missing"},
		"null default":        {add: "    locale:", want: "connections.prod.locale: is missing"},
		"header injection":    {add: `    app_id: "a\r\nX: y"`, want: "connections.prod.app_id: must not contain control characters"},
		"host":                {add: "    par_hosts: ['https://host']", want: `connections.prod.par_hosts.0: "https://host" is not a host`},
		"no hosts":            {add: "    par_hosts: []", want: "connections.prod.par_hosts: is missing"},
		"no CA":               {add: "    ca_file: missing.pem", want: "connections.prod.ca_file: open "},
		"not PEM":             {add: "    ca_file: pbsm.yaml", want: "contains no certificate in PEM form"},
		"a key":               {add: "    ca_file: key.pem", want: "contains a PRIVATE KEY"},
		"choice":              {add: "    dynamic_params: xml", want: `connections.prod.dynamic_params: "xml" is not one of json, string`},
		"status path":         {add: "    export_status_path: ../x", want: "must be a path such as /public/status"},
		"dot in status path":  {add: "    import_status_path: /public/../status", want: "connections.prod.import_status_path: must be a path such as /public/status"},
		"header name":         {add: "    extra_headers: {'a b': c}", want: `connections.prod.extra_headers.a b: "a b" is not the name of a header`},
		"own header":          {add: "    extra_headers: {authorization: c}", want: "connections.prod.extra_headers.authorization: is set by the client itself"},
		"header of a body":    {add: "    extra_headers: {Content-Type: text/plain}", want: "connections.prod.extra_headers.Content-Type: is set by the client itself"},
		"header of a tenant":  {add: "    extra_headers: {OFS_TENANT_ID: x}", want: "connections.prod.extra_headers.OFS_TENANT_ID: is set by the client itself"},
		"connection's name":   {add: strings.Replace(minimal, "prod", "Prod", 1), want: `connections.Prod: "Prod" is not a name`},
		"null connection":     {add: "connections: {prod: }", want: "connections.prod.base_url: is missing"},
		"text for connection": {add: "connections: {prod: x}", want: "connections.prod: must be keys and values"},
		"list of connections": {add: "connections: [x]", want: "connections: must be keys and values"},
		"scheme":              {add: minimal + "stores: {a: {url: 'ftp://x'}}", want: `stores.a.url: the scheme "ftp" is not supported; supported: file, mem`},
		"no store URL":        {add: minimal + "stores: {a: {}}", want: "stores.a.url: is missing"},
		"store's name":        {add: minimal + "stores: {'a/b': {url: 'mem://'}}", want: `stores.a/b: "a/b" is not a name`},
		"level":               {add: minimal + "worker: {log: {level: loud}}", want: `worker.log.level: "loud" is not one of debug, info, warn, error`},
		"ratio":               {add: minimal + "worker: {poll: {ratio: 0}}", want: "worker.poll.ratio: must be more than 0"},
		"collect interval":    {add: minimal + "worker: {collect_interval: 0s}", want: "worker.collect_interval: must be more than 0"},
		"max below min":       {add: minimal + "worker: {poll: {min: 2m}}", want: "worker.poll.max: must be at least worker.poll.min"},
		"health":              {add: minimal + "worker: {health: '9090'}", want: "worker.health: must be an address"},
		"health's port":       {add: minimal + "worker: {health: ':99999'}", want: "worker.health: must be an address"},
		"health's name":       {add: minimal + "worker: {health: ':metric'}", want: "worker.health: must be an address"},
		"cached workflows":    {add: minimal + "worker: {cached_workflows: 0}", want: "worker.cached_workflows: must be at least 1"},
		"definitions":         {add: minimal + "worker: {definitions: git}", want: `worker.definitions: "git" is not one of any, folder`},
		"stop timeout":        {add: minimal + "worker: {stop_timeout: -1s}", want: "worker.stop_timeout: must be more than 0"},
		"no queue":            {add: minimal + "worker: {task_queue: ''}", want: "worker.task_queue: is missing"},

		"http":           {env: "BASE_URL=http://host/t", want: "connections.prod.base_url: must start with https://"},
		"user in URL":    {env: "TOKEN_URL=https://u:" + canary + "@host/t", want: "connections.prod.token_url: must not contain a user"},
		"query in URL":   {env: "BASE_URL=https://host/t?key=" + canary, want: "connections.prod.base_url: must not have a query"},
		"# in URL":       {env: "BASE_URL=https://host/t#", want: "connections.prod.base_url: must not have a query or a fragment"},
		"not a URL":      {env: "BASE_URL=https://%zz" + canary, want: "connections.prod.base_url: is not a URL"},
		"env unknown":    {env: "BASE_URI=x", want: "connections.prod.base_uri: unknown key"},
		"env type":       {env: "INSECURE=" + canary, want: "connections.prod.insecure: must be true or false"},
		"env level":      {env: "__X=y", want: `PBSM_CONNECTIONS__PROD____X: has an empty level`},
		"env too deep":   {env: "BASE_URL__X=y", want: "connections.prod.base_url: must be a text"},
		"secret missing": {env: "PASSWORD=", want: "connections.prod.password: is missing"},
		"secret number":  {add: strings.Replace(minimal, "password: "+canary, "password: 12345", 1), want: "connections.prod.password: must be a text (a number in quotes)"},
		"secret source":  {add: strings.Replace(minimal, "password: "+canary, "password: {vault: x}", 1), want: "connections.prod.password: must be a text (a number in quotes), {env: NAME} or {file: PATH}"},
		"secret twice":   {add: strings.Replace(minimal, "password: "+canary, "password: {env: A, file: B}", 1), want: "connections.prod.password: must be"},
		"secret not set": {env: "PASSWORD__ENV=NOT_SET", want: "connections.prod.password: the environment variable NOT_SET is not set"},
		"secret no file": {env: "PASSWORD__FILE=missing", want: "connections.prod.password: open "},
		"secret empty":   {env: "PASSWORD__FILE=empty", want: "empty is empty"},
		"secret space":   {env: "PASSWORD= " + canary, want: "connections.prod.password: must not start or end with a space"},
		"secret tab":     {env: "CLIENT_SECRET=\t" + canary, want: "connections.prod.client_secret: must not contain control characters"},
		"secret lines":   {env: "PASSWORD__FILE=two-lines", want: "connections.prod.password: must be a single line"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := tt.add
			if text == "" || strings.HasPrefix(text, " ") {
				text = minimal + text + "\n"
			}
			var env []string
			if tt.env != "" {
				env = []string{"PBSM_CONNECTIONS__PROD__" + tt.env}
			}
			_, err := Load(folder(t, text), env)
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), canary)
			if name != "null connection" && !strings.Contains(tt.want, "YAML") && name != "key twice" {
				assert.Len(t, strings.Split(err.Error(), "\n"), 2, "one problem, named once: %s", err)
			}
		})
	}
}

func TestLoad_allProblems(t *testing.T) {
	path := folder(t, `
connections:
  prod:
    base_url: http://host
    token_url: https://iam.example.com/oauth2/v1/token
    tenant: t
    insecure: maybe
    client_secret: {env: NOT_SET}
    password: {file: missing}
stores: {inbox: {url: "s3://bucket", access_key: id}}
worker: {tasks: 1, poll: {min: 5}}
`)
	_, err := Load(path, nil)
	require.Error(t, err)
	want := []string{
		"the configuration (" + path + ") cannot be used:",
		"connections.prod.base_url: must start with https://; write for example https://HOST/TENANT",
		"connections.prod.client_id: is missing",
		"connections.prod.client_secret: the environment variable NOT_SET is not set",
		"connections.prod.insecure: must be true or false",
		"connections.prod.password: open " + filepath.Join(filepath.Dir(path), "missing") + ": no such file or directory",
		"connections.prod.remote_user: is missing",
		"connections.prod.service_id: is missing",
		"connections.prod.tenant: unknown key",
		"connections.prod.tenant_id: is missing",
		"connections.prod.username: is missing",
		`stores.inbox.secret_key: is missing: it goes with access_key`,
		"worker.poll.min: must be a duration such as 500ms, 30s or 2m",
		"worker.tasks: unknown key",
	}
	assert.Equal(t, want, strings.Split(err.Error(), "\n"))
}

// A variable is in upper case and has no "-"; it stands for the header in the file.
func TestLoad_environmentOverridesHeader(t *testing.T) {
	path := folder(t, minimal+"    extra_headers: {X-Gateway-Key: abc, X-Other: x}\n")
	cfg, err := Load(path, []string{"PBSM_CONNECTIONS__PROD__EXTRA_HEADERS__X_GATEWAY_KEY=def"})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"X-Gateway-Key": "def", "X-Other": "x"}, cfg.Connections["prod"].ExtraHeaders)
}

// Otherwise the variable could set the password of the wrong connection.
func TestLoad_refusesAmbiguousVariable(t *testing.T) {
	text := minimal + strings.Replace(strings.TrimPrefix(minimal, "\nconnections:\n"), "prod:", "us_prod:", 1)
	text = strings.Replace(text, "  prod:", "  us-prod:", 1)
	_, err := Load(folder(t, text), nil)
	require.NoError(t, err)
	_, err = Load(folder(t, text), []string{"PBSM_CONNECTIONS__US_PROD__PASSWORD=x"})
	require.ErrorContains(t, err, "PBSM_CONNECTIONS__US_PROD__PASSWORD: is ambiguous: it matches us-prod and us_prod; rename one")
}

func TestLoad_missingPassphraseIsOneProblem(t *testing.T) {
	path := folder(t, minimal+"stores: {a: {url: 'sftp://u@h/x', key_file: id, key_passphrase: {env: NOT_SET}, fingerprint: 'SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8'}}\n")
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(canary))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "id"), pem.EncodeToMemory(locked), 0o600))
	_, err = Load(path, []string{"NOT_SET=" + canary})
	require.NoError(t, err)
	_, err = Load(path, nil)
	require.ErrorContains(t, err, "stores.a.key_passphrase: the environment variable NOT_SET is not set")
	assert.Len(t, strings.Split(err.Error(), "\n"), 2, "one problem, named once: %s", err)
}

// A text that YAML would read as a date, or a time, stays as it is written.
func TestLoad_textsThatLookLikeDates(t *testing.T) {
	for _, text := range []string{"2026-1-5", "2026-10-31", "2026-10-31 10:00:00", "2026-10-31T10:00:00Z", "!!timestamp 2026-1-5"} {
		cfg, err := Load(folder(t, strings.Replace(complete, "tenant_id: tenant", "tenant_id: "+text, 1)), []string{"PBSM_CLIENT_SECRET=x"})
		require.NoError(t, err)
		require.Equal(t, strings.TrimPrefix(text, "!!timestamp "), cfg.Connections["prod"].TenantID)
	}
}

// The YAML parser quotes values in its messages.
func TestLoad_syntaxErrorContainsNoSecret(t *testing.T) {
	for _, password := range []string{"*" + canary, "*" + canary + " x", "!!int " + canary, "!!bool " + canary, "!" + canary, "!<" + canary, "&" + canary, "{" + canary, "@" + canary, `"\` + canary + `"`} {
		_, err := Load(folder(t, strings.Replace(minimal, "password: "+canary, "password: "+password, 1)), nil)
		require.Error(t, err, password)
		assert.NotContains(t, err.Error(), canary)
	}
	_, err := Load(folder(t, strings.Replace(minimal, "password: "+canary, "password: *"+canary, 1)), nil)
	assert.ErrorContains(t, err, "is not YAML: a value is malformed; a text that begins with *, & or ! needs quotes")
	_, err = Load(folder(t, minimal+"    [\n"), nil)
	assert.ErrorContains(t, err, "is not YAML: line 13: ")
	_, err = Load(folder(t, minimal+"# \x01\n"), nil)
	assert.ErrorContains(t, err, "is not YAML: control characters are not allowed")
}

func TestLoad_refusesBothFormsOfAnOverride(t *testing.T) {
	_, err := Load(folder(t, minimal), []string{"PBSM_CONNECTIONS__PROD__PASSWORD=x", "PBSM_CONNECTIONS__PROD__PASSWORD__FILE=secrets/password"})
	assert.ErrorContains(t, err, "connections.prod.password: is set by both PBSM_CONNECTIONS__PROD__PASSWORD and PBSM_CONNECTIONS__PROD__PASSWORD__FILE")
}

func TestSecret_isRedacted(t *testing.T) {
	cfg, err := Load(folder(t, minimal), nil)
	require.NoError(t, err)
	connection := cfg.Connections["prod"]
	var shown strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&shown, verb, connection.Password)
		fmt.Fprintf(&shown, verb, &connection.Password)
		fmt.Fprintf(&shown, verb, connection)
		fmt.Fprintf(&shown, verb, cfg)
	}
	text, err := json.Marshal(cfg)
	require.NoError(t, err)
	shown.Write(text)
	text, err = yaml.Marshal(connection)
	require.NoError(t, err)
	shown.Write(text)
	slog.New(slog.NewJSONHandler(&shown, nil)).Info("x", "secret", connection.Password, "connection", connection)
	slog.New(slog.NewTextHandler(&shown, nil)).Info("x", "secret", connection.Password, "connection", connection)
	shown.WriteString(connection.Password.String())
	assert.NotContains(t, shown.String(), canary)
	assert.NotContains(t, shown.String(), fmt.Sprintf("%x", canary))
	assert.Contains(t, shown.String(), redacted)
}

func FuzzLoad(f *testing.F) {
	f.Add(complete, "PBSM_WORKER__LOG__LEVEL=warn")
	f.Add(minimal, "PBSM_CONNECTIONS__PROD__EXTRA_HEADERS__ACCEPT=x")
	f.Add(channels, "PBSM_NOTIFICATIONS__CONTROLLERS__URL=smtp://mail.example.com:70000?tls=none")
	f.Add("connections: {1: {2: 3}, x: [], ~: y}", "PBSM_STORES__=")
	f.Add("connections: &a {prod: {base_url: *a}}", "PBSM_CONNECTIONS__A.B__C.D=x")
	f.Fuzz(func(t *testing.T, text, env string) {
		path := filepath.Join(t.TempDir(), "pbsm.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		cfg, err := Load(path, []string{env})
		require.NotEqual(t, cfg == nil, err == nil)
		if err != nil {
			return
		}
		for _, connection := range cfg.Connections {
			_, err := pbsm.New(connection.Client())
			require.NoError(t, err, "what is valid here is valid where it is used")
		}
		_, err = notify.Open(cfg.NotifyChannels())
		require.NoError(t, err)
	})
}

// The files of an audit file are compared on a machine that has no secrets of the connections.
func TestLoadStores_readsNothingElse(t *testing.T) {
	path := folder(t, "connections: {prod: {password: {file: /nowhere}}}\nstores: {inbox: {url: 'file:///data/inbox'}}\n")
	found, err := LoadStores(path, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]stores.Settings{"inbox": {URL: "file:///data/inbox"}}, found)
	_, err = LoadStores(folder(t, "stores: {inbox: {url: 'ftp://x'}}\n"), nil)
	require.ErrorContains(t, err, "stores.inbox.url")
}
