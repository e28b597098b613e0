package config

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

var (
	namePattern   = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	headerPattern = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
)

// nameRule is a name's form in words.
const nameRule = `lower-case letters, digits, "-" and "_", at most 63, a letter or digit first`

// Form is a form that texts of the configuration have.
type Form struct {
	Pattern string // of a regular expression, as RE2 and ECMAScript both read it
	Rule    string // in words
}

// Forms are the forms by the name in the tag jsonschema:"format=NAME" or keys=NAME. An editor
// checks by the pattern; it refuses nothing that [Load] takes.
var Forms = map[string]Form{
	"name":      {namePattern.String(), nameRule},
	"https-url": {`^https://[^/?#@]+(/[^?#]*)?$`, "an https URL with neither user nor query"},
	"text":      {`^\S([^\x00-\x1f\x7f]*\S)?$`, "a text"},
	"path":      {pbsm.PathPattern.String(), "a path such as /public/status"},
	"header":    {headerPattern.String(), "the name of an HTTP header"},
	"date":      {`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`, "a date, yyyy-mm-dd"},
	"holiday":   {`^[0-9]{4}-[0-9]{2}-[0-9]{2}( .*)?$`, "a date, yyyy-mm-dd; a name may follow"},
	"address":   {`^.*:[^:]*$`, "an address such as :9090 or 127.0.0.1:9090"},
}

// checker gathers faults of a configuration that could be decoded.
type checker struct {
	folder string // where relative paths start
	lookup func(string) (string, bool)
	failed func(key string) bool
	faults []error
}

// finish resolves paths, reads secrets and checks everything.
func (c *Config) finish(folder string, lookup func(string) (string, bool), failed func(string) bool) []error {
	v := &checker{folder: folder, lookup: lookup, failed: failed}
	v.want(len(c.Connections) > 0, "connections", "is missing: at least one is needed")
	for _, name := range slices.Sorted(maps.Keys(c.Connections)) {
		key := "connections." + name
		v.name(key, name)
		connection := c.Connections[name]
		v.connection(key, &connection)
		c.Connections[name] = connection
	}
	for _, name := range slices.Sorted(maps.Keys(c.Stores)) {
		key := "stores." + name
		v.name(key, name)
		store := c.Stores[name]
		v.store(key, &store)
		c.Stores[name] = store
	}
	for _, name := range slices.Sorted(maps.Keys(c.Notifications)) {
		key := "notifications." + name
		v.name(key, name)
		channel := c.Notifications[name]
		v.channel(key, &channel, c.Connections)
		c.Notifications[name] = channel
	}
	v.calendars(c.Calendars)
	v.encryption(&c.Encryption)
	v.worker(&c.Worker)
	return v.faults
}

func (v *checker) want(ok bool, key, format string, args ...any) bool {
	if !ok && !v.failed(key) {
		v.faults = append(v.faults, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	return ok
}

func (v *checker) check(key string, err error) {
	if err != nil {
		v.want(false, key, "%s", err)
	}
}

func (v *checker) name(key, name string) {
	v.want(namePattern.MatchString(name), key, "%q is not a name; use %s", name, nameRule)
}

func (v *checker) connection(key string, c *Connection) {
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	v.check(key+".base_url", checkURL(c.BaseURL, "https://HOST/TENANT"))
	v.check(key+".token_url", checkURL(c.TokenURL, "https://IAM/oauth2/v1/token"))
	for _, text := range []struct{ name, value string }{
		{"tenant_id", c.TenantID}, {"service_id", c.ServiceID}, {"workspace_id", c.WorkspaceID},
		{"remote_user", c.RemoteUser}, {"locale", c.Locale}, {"app_id", c.AppID},
		{"client_id", c.ClientID}, {"username", c.Username}, {"report_def_type", c.ReportDefType},
	} {
		v.check(key+"."+text.name, checkText(text.value))
	}
	for name, secret := range map[string]*Secret{"client_secret": &c.ClientSecret, "password": &c.Password} {
		value, err := secret.read(v.folder, v.lookup)
		if err == nil {
			err = checkText(value.Expose())
		}
		v.check(key+"."+name, err)
		*secret = value
	}
	if c.CAFile != "" {
		c.CAFile = within(v.folder, c.CAFile)
		v.check(key+".ca_file", checkCertificates(c.CAFile))
	}
	v.want(c.Timeout > 0 && c.Timeout <= maxTimeout, key+".timeout", "must be more than 0 and at most %s", maxTimeout)
	v.want(c.Rate == 0 || c.Rate >= minRate && c.Rate <= maxRate, key+".rate", "must be 0 (not limited) or %g to %d calls per second", minRate, maxRate)
	v.want(c.MaxFileSize > 1 && c.MaxFileSize <= maxFileSize, key+".max_file_size", "must be 2 to %d bytes, which is less than 10 TB", int64(maxFileSize))
	v.transfer(key+".transfer", c.Transfer)
	v.want(len(c.PARHosts) > 0, key+".par_hosts", "is missing: at least one host is needed")
	for i, pattern := range c.PARHosts {
		v.check(fmt.Sprintf("%s.par_hosts.%d", key, i), parstore.CheckHostPattern(pattern))
	}
	v.oneOf(key+".dynamic_params", c.DynamicParams, "json", "string")
	v.oneOf(key+".report_status_body", c.ReportStatusBody, "none", "object")
	v.want(pbsm.PathPattern.MatchString(c.MigrationStatusPath), key+".migration_status_path", "must be a path such as /public/status")
	for _, name := range slices.Sorted(maps.Keys(c.ExtraHeaders)) {
		v.check(key+".extra_headers."+name, checkHeader(name, c.ExtraHeaders[name]))
	}
}

const (
	maxTimeout   = 4 * time.Minute // beyond, the activity of a post would end before its call
	maxFileSize  = 10_000_000_000_000 - 1
	minRate      = 0.1 // below, a night's few calls would take longer than the night
	maxRate      = 1000
	maxParallel  = 64
	minPartSize  = 10 << 20 // Source: the object store's multipart uploads.
	maxPartSize  = 50 << 30
	minBandwidth = 64 << 10 // below, a transfer could not be told from one that stands still
)

func (v *checker) transfer(key string, t Transfer) {
	v.want(t.Parallel >= 1 && t.Parallel <= maxParallel, key+".parallel", "must be 1 to %d", maxParallel)
	v.want(t.PartSize >= minPartSize && t.PartSize <= maxPartSize, key+".part_size", "must be %d (10 MiB) to %d (50 GiB) bytes", minPartSize, int64(maxPartSize))
	v.want(t.Threshold >= 1 && t.Threshold <= maxPartSize, key+".threshold", "must be 1 to %d (50 GiB) bytes: larger files cannot be sent in one request", int64(maxPartSize))
	v.want(t.Bandwidth == 0 || t.Bandwidth >= minBandwidth, key+".bandwidth", "must be 0 (not limited) or at least %d bytes per second", minBandwidth)
}

func (v *checker) store(key string, s *Store) {
	if !v.want(s.URL != "", key+".url", "is missing") {
		return
	}
	for name, secret := range map[string]*Secret{
		"access_key": &s.AccessKey, "secret_key": &s.SecretKey, "key_passphrase": &s.KeyPassphrase, "password": &s.Password,
	} {
		if *secret == (Secret{}) {
			continue
		}
		value, err := secret.read(v.folder, v.lookup)
		if err != nil {
			v.check(key+"."+name, err)
			value = Secret{value: redacted} // it is there, so that nothing else is said to be missing
		}
		*secret = value
	}
	for _, path := range []*string{&s.KeyFile, &s.KnownHosts} {
		if *path != "" {
			*path = within(v.folder, *path)
		}
	}
	for _, fault := range s.settings().Problems() {
		if fault.Key == "key_file" && s.KeyPassphrase == (Secret{value: redacted}) {
			continue // it cannot be opened without what is missing
		}
		v.check(key+"."+fault.Key, errors.New(fault.Message))
	}
	if u, err := url.Parse(s.URL); err == nil && u.Scheme == "file" && u.Host == "." {
		u.Host, u.Path = "", filepath.ToSlash(within(v.folder, strings.TrimLeft(u.Path, "/")))
		s.URL = u.String()
	}
}

func (v *checker) channel(key string, c *Channel, known map[string]Connection) {
	value, err := c.URL.read(v.folder, v.lookup)
	v.check(key+".url", err)
	c.URL = value
	if c.SigningKey != (Secret{}) {
		value, err := c.SigningKey.read(v.folder, v.lookup)
		v.check(key+".signing_key", err)
		c.SigningKey = value
	}
	if c.CAFile != "" {
		c.CAFile = within(v.folder, c.CAFile)
	}
	for _, fault := range c.channel().Faults() {
		if fault.Key != "url" || err == nil {
			v.check(key+"."+fault.Key, errors.New(fault.Message))
		}
	}
	for i, name := range c.Connections {
		_, ok := known[name]
		v.want(ok, fmt.Sprintf("%s.connections.%d", key, i), "%q is not among the connections", name)
	}
}

func (v *checker) worker(w *Worker) {
	v.check("worker.task_queue", checkText(w.TaskQueue))
	if v.want(w.Pipelines != "", "worker.pipelines", "is missing") {
		w.Pipelines = within(v.folder, w.Pipelines)
	}
	_, port, err := net.SplitHostPort(w.Health)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	v.want(err == nil, "worker.health", "must be an address such as :9090 or 127.0.0.1:9090")
	if w.TemporalUI != "" {
		u, err := url.Parse(w.TemporalUI)
		v.want(err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "",
			"worker.temporal_ui", "must be an address such as https://temporal.bank.example; without the key TEMPORAL_UI is taken")
	}
	v.want(w.StopTimeout > 0, "worker.stop_timeout", "must be more than 0")
	v.oneOf("worker.log.level", w.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("worker.log.format", w.Log.Format, "json", "console")
	v.want(w.CachedWorkflows >= 1, "worker.cached_workflows", "must be at least 1")
	v.want(w.Poll.Ratio > 0 && w.Poll.Ratio <= 1, "worker.poll.ratio", "must be more than 0 and at most 1")
	v.want(w.CensusInterval > 0, "worker.census_interval", "must be more than 0")
	v.want(w.Poll.Min > 0, "worker.poll.min", "must be more than 0")
	v.want(w.Poll.Max >= w.Poll.Min, "worker.poll.max", "must be at least worker.poll.min")
}

func (v *checker) oneOf(key, value string, allowed ...string) {
	v.want(slices.Contains(allowed, value), key, "%q is not one of %s", value, strings.Join(allowed, ", "))
}

// checkURL does not repeat the URL: it may hold credentials.
func checkURL(text, example string) error {
	if text == "" {
		return errors.New("is missing")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(text, "?#") {
		return fmt.Errorf("must be an https URL such as %s, with neither user nor query", example)
	}
	return nil
}

// checkText is for values that go out as headers, or in a login.
func checkText(text string) error {
	if text == "" {
		return errors.New("is missing")
	}
	if strings.TrimSpace(text) != text || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("holds control characters or space around it")
	}
	return nil
}

func checkHeader(name, value string) error {
	switch {
	case !headerPattern.MatchString(name):
		return fmt.Errorf("%q is not a header's name", name)
	case pbsm.IsOwnHeader(name):
		return errors.New("is set by the client itself")
	}
	return checkText(value)
}

func checkCertificates(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for found := 0; ; found++ {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			if found == 0 {
				return fmt.Errorf("%s holds no certificate in PEM form", path)
			}
			return nil
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("%s holds a %s; only certificates belong there", path, block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
}
