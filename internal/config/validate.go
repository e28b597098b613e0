package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/problem"
)

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// nameRule is the form of a name in words.
const nameRule = `lower-case letters, digits, "-" and "_", at most 63 characters, starting with a letter or digit`

// Form is a form that texts of the configuration have.
type Form struct {
	Pattern string // a regular expression that RE2 and ECMAScript read alike
	Rule    string // in words
}

// Forms are the forms by the name in the tag jsonschema:"format=NAME" or keys=NAME. An editor checks the
// pattern, which never refuses what [Load] accepts.
var Forms = map[string]Form{
	"name":      {namePattern.String(), nameRule},
	"https-url": {`^(https://[^/?#@]+|http://(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?)(/[^?#]*)?$`, "an https URL without user and query"},
	"text":      {`^\S([^\x00-\x1f\x7f]*\S)?$`, "a text"},
	"path":      {pbsm.PathPattern.String(), "a path such as /public/status"},
	"header":    {httpx.HeaderName.String(), "the name of an HTTP header"},
	"date":      {`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`, "a date, yyyy-mm-dd"},
	"holiday":   {`^[0-9]{4}-[0-9]{2}-[0-9]{2}( .*)?$`, "a date, yyyy-mm-dd, optionally followed by a name"},
	"address":   {`^.*:[^:]*$`, "an address such as :9090 or 127.0.0.1:9090"},
}

// checker completes a configuration that could be decoded (it resolves paths and reads secrets) and collects
// its problems.
type checker struct {
	problem.List

	folder string // that relative paths start from
	env    map[string]string
	known  problem.List // from decoding; what they cover is not reported again
}

func (v *checker) config(c *Config) {
	v.want(len(c.Connections) > 0, "connections", "is missing: at least one is needed")
	each(v, "connections", c.Connections, v.connection)
	each(v, "stores", c.Stores, v.store)
	each(v, "notifications", c.Notifications, func(key string, channel *Channel) {
		v.channel(key, channel, c.Connections)
	})
	v.calendars(c.Calendars)
	v.encryption(&c.Encryption)
	v.commands(&c.Commands)
	v.console(&c.Console, slices.Sorted(maps.Keys(c.Connections)))
	v.worker(&c.Worker)
}

// each checks the entries of a section, which may change them.
func each[T any](v *checker, section string, entries map[string]T, check func(key string, entry *T)) {
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		key, entry := section+"."+name, entries[name]
		v.name(key, name)
		check(key, &entry)
		entries[name] = entry
	}
}

// want adds a problem unless ok, or unless decoding has found one at the key already. It returns ok.
func (v *checker) want(ok bool, key, format string, args ...any) bool {
	if !ok && !v.known.Covers(key) {
		v.Addf(key, format, args...)
	}
	return ok
}

func (v *checker) check(key string, err error) {
	if err != nil && !v.known.Covers(key) {
		v.Check(key, err)
	}
}

// secret reads a secret from its source.
func (v *checker) secret(key string, s *Secret) error {
	value, err := s.read(v.folder, v.env)
	v.check(key, err)
	*s = value
	return err
}

func (v *checker) name(key, name string) {
	v.want(namePattern.MatchString(name), key, "%q is not a name; use %s", name, nameRule)
}

func (v *checker) connection(key string, c *Connection) {
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	v.check(key+".base_url", checkURL(c.BaseURL, "https://HOST/TENANT"))
	v.check(key+".token_url", checkURL(c.TokenURL, "https://IAM/oauth2/v1/token"))
	for name, value := range map[string]string{
		"tenant_id":       c.TenantID,
		"service_id":      c.ServiceID,
		"workspace_id":    c.WorkspaceID,
		"remote_user":     c.RemoteUser,
		"locale":          c.Locale,
		"app_id":          c.AppID,
		"client_id":       c.ClientID,
		"username":        c.Username,
		"token_scope":     c.TokenScope,
		"report_def_type": c.ReportDefType,
	} {
		v.check(key+"."+name, httpx.CheckHeaderValue(value))
	}
	for name, secret := range map[string]*Secret{"client_secret": &c.ClientSecret, "password": &c.Password} {
		if v.secret(key+"."+name, secret) == nil {
			v.check(key+"."+name, httpx.CheckHeaderValue(secret.Expose()))
		}
	}
	if c.CAFile != "" {
		c.CAFile = within(v.folder, c.CAFile)
		_, err := httpx.Roots(c.CAFile)
		v.check(key+".ca_file", err)
	}
	v.want(c.Timeout > 0 && c.Timeout <= maxTimeout, key+".timeout", "must be more than 0 and at most %s", maxTimeout)
	v.want(c.Rate == 0 || c.Rate >= minRate && c.Rate <= maxRate, key+".rate",
		"must be 0 (no limit) or %g to %d calls per second", minRate, maxRate)
	v.want(c.MaxFileSize > 1 && c.MaxFileSize <= maxFileSize, key+".max_file_size",
		"must be 2 to %d bytes, which is less than 10 TB", int64(maxFileSize))
	v.transfer(key+".transfer", c.Transfer)
	v.want(len(c.PARHosts) > 0, key+".par_hosts", "is missing: at least one host is needed")
	for i, pattern := range c.PARHosts {
		v.check(fmt.Sprintf("%s.par_hosts.%d", key, i), parstore.CheckHostPattern(pattern))
	}
	v.oneOf(key+".dynamic_params", c.DynamicParams, "json", "string")
	v.oneOf(key+".task_lists", c.TaskLists, "string", "array")
	v.oneOf(key+".status_tasks", c.StatusTasks, "string", "array")
	v.oneOf(key+".task_params", c.TaskParams, "none", "batches", "members")
	v.oneOf(key+".report_headers", c.ReportHeaders, "reportcode", "reportCode")
	v.oneOf(key+".delete_method", c.DeleteMethod, "POST", "DELETE")
	v.oneOf(key+".report_status_body", c.ReportStatusBody, "none", "object")
	v.oneOf(key+".upload_body", c.UploadBody, "object", "array")
	for name, path := range map[string]string{"export": c.ExportStatusPath, "import": c.ImportStatusPath} {
		v.want(pbsm.PathPattern.MatchString(path), key+"."+name+"_status_path", "must be a path such as /public/status")
	}
	for _, name := range slices.Sorted(maps.Keys(c.ExtraHeaders)) {
		v.check(key+".extra_headers."+name, checkHeader(name, c.ExtraHeaders[name]))
	}
}

const (
	maxTimeout   = 4 * time.Minute // the activity of a submission must not end before its call
	maxFileSize  = 10_000_000_000_000 - 1
	minRate      = 0.1 // with less, even the few calls of a close would not end that night
	maxRate      = 1000
	maxParallel  = 64
	minPartSize  = 10 << 20 // Source: the object store's multipart uploads.
	maxPartSize  = 50 << 30
	minBandwidth = 64 << 10 // with less, a transfer would look as if it had stalled
)

func (v *checker) transfer(key string, t Transfer) {
	v.want(t.Parallel >= 1 && t.Parallel <= maxParallel, key+".parallel", "must be 1 to %d", maxParallel)
	v.want(t.PartSize >= minPartSize && t.PartSize <= maxPartSize, key+".part_size",
		"must be %d (10 MiB) to %d (50 GiB) bytes", minPartSize, int64(maxPartSize))
	v.want(t.Threshold >= 1 && t.Threshold <= maxPartSize, key+".threshold",
		"must be 1 to %d (50 GiB) bytes: larger files cannot be uploaded in one request", int64(maxPartSize))
	v.want(t.Bandwidth == 0 || t.Bandwidth >= minBandwidth, key+".bandwidth",
		"must be 0 (no limit) or at least %d bytes per second", minBandwidth)
}

func (v *checker) store(key string, s *Store) {
	if !v.want(s.URL != "", key+".url", "is missing") {
		return
	}
	for name, secret := range map[string]*Secret{
		"access_key":     &s.AccessKey,
		"secret_key":     &s.SecretKey,
		"key_passphrase": &s.KeyPassphrase,
		"password":       &s.Password,
	} {
		if *secret == (Secret{}) {
			continue
		}
		if v.secret(key+"."+name, secret) != nil {
			*secret = Secret{value: redacted} // it is given, so that it is not reported as missing as well
		}
	}
	for _, path := range []*string{&s.KeyFile, &s.KnownHosts} {
		if *path != "" {
			*path = within(v.folder, *path)
		}
	}
	for _, p := range s.settings().Problems() {
		if p.Path == "key_file" && s.KeyPassphrase == (Secret{value: redacted}) {
			continue // it cannot be decrypted without the passphrase
		}
		v.want(false, key+"."+p.Path, "%s", p.Message)
	}
	if u, err := url.Parse(s.URL); err == nil && u.Scheme == "file" && u.Host == "." {
		u.Host, u.Path = "", filepath.ToSlash(within(v.folder, strings.TrimLeft(u.Path, "/")))
		s.URL = u.String()
	}
}

func (v *checker) channel(key string, c *Channel, known map[string]Connection) {
	err := v.secret(key+".url", &c.URL)
	if c.SigningKey != (Secret{}) {
		_ = v.secret(key+".signing_key", &c.SigningKey)
	}
	if c.CAFile != "" {
		c.CAFile = within(v.folder, c.CAFile)
	}
	for _, p := range c.channel().Problems() {
		if p.Path != "url" || err == nil {
			v.want(false, key+"."+p.Path, "%s", p.Message)
		}
	}
	for i, name := range c.Connections {
		_, ok := known[name]
		v.want(ok, fmt.Sprintf("%s.connections.%d", key, i), "%q is not among the connections", name)
	}
}

func (v *checker) worker(w *Worker) {
	v.check("worker.task_queue", httpx.CheckHeaderValue(w.TaskQueue))
	if v.want(w.Pipelines != "", "worker.pipelines", "is missing") {
		w.Pipelines = within(v.folder, w.Pipelines)
	}
	v.oneOf("worker.definitions", w.Definitions, AnyDefinition, FolderDefinitions)
	v.want(isListenAddress(w.Health), "worker.health", "must be an address such as :9090 or 127.0.0.1:9090")
	v.want(w.TemporalUI == "" || isAddress(w.TemporalUI), "worker.temporal_ui",
		"must be an address such as https://temporal.bank.example; without the key it is the variable TEMPORAL_UI")
	if w.Starter != "" {
		v.check("worker.starter", httpx.CheckHeaderValue(string(w.Starter)))
	}
	v.want(w.StopTimeout > 0, "worker.stop_timeout", "must be more than 0")
	v.oneOf("worker.log.level", w.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("worker.log.format", w.Log.Format, "json", "text")
	v.want(w.CachedWorkflows >= 1, "worker.cached_workflows", "must be at least 1")
	v.want(w.AskAfter >= 0, "worker.ask_after", "must not be negative")
	v.want(w.CollectInterval > 0, "worker.collect_interval", "must be more than 0")
	v.want(w.Poll.Ratio > 0 && w.Poll.Ratio <= 1, "worker.poll.ratio", "must be more than 0 and at most 1")
	v.want(w.Poll.Min > 0, "worker.poll.min", "must be more than 0")
	v.want(w.Poll.Max >= w.Poll.Min, "worker.poll.max", "must be at least worker.poll.min")
}

func isListenAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = net.LookupPort("tcp", port) //nolint:noctx // it asks no network
	}
	return err == nil
}

func isAddress(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return false
	}
	return u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

func (v *checker) oneOf(key, value string, allowed ...string) {
	v.want(slices.Contains(allowed, value), key, "%q is not one of %s", value, strings.Join(allowed, ", "))
}

func checkURL(text, example string) error {
	if err := httpx.CheckURL(text); err != nil {
		return fmt.Errorf("%w; write for example %s", err, example)
	}
	return nil
}

func checkHeader(name, value string) error {
	switch {
	case !httpx.HeaderName.MatchString(name):
		return fmt.Errorf("%q is not the name of a header", name)
	case pbsm.IsOwnHeader(name):
		return errors.New("is set by the client itself")
	}
	return httpx.CheckHeaderValue(value)
}
