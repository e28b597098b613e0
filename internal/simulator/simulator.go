package simulator

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// Options configure the simulated tenant. The zero value works.
type Options struct {
	Addr  string   // listen address; default 127.0.0.1:0
	Hosts []string // names in the certificate besides localhost, 127.0.0.1 and ::1

	// PublicHost and ObjectStoreHost (host or host:port) are used in the URLs of the service and in PAR URLs.
	// By default they differ, localhost:PORT and 127.0.0.1:PORT, as with the real service.
	PublicHost, ObjectStoreHost string

	Tenant, ServiceID, WorkspaceID, RemoteUser, AppID string
	// Empty secrets are generated: random, and long enough to be searched for in dumps.
	ClientID, ClientSecret, Username, Password string

	Catalog Catalog // empty means DefaultCatalog
	Speed   float64 // simulated seconds in a real second; default 1

	TokenTTL, PARTTL time.Duration // real time; default 1h and 24h
	Quirks           Quirks
	Seed             int64
	Dir              string // for object bytes and ca.pem; empty means a temporary folder, removed by Close
	Logger           *slog.Logger
	Now              func() time.Time // the real clock; default time.Now
}

func (o *Options) fillDefaults() {
	o.Addr = cmp.Or(o.Addr, "127.0.0.1:0")
	o.Tenant = cmp.Or(o.Tenant, "pbsmdemo1001-prd")
	o.ServiceID = cmp.Or(o.ServiceID, "PBSMCS-DEMO")
	o.WorkspaceID = cmp.Or(o.WorkspaceID, "WS001")
	o.RemoteUser = cmp.Or(o.RemoteUser, "closeuser")
	o.AppID = cmp.Or(o.AppID, "PBSMCS")
	o.ClientID = cmp.Or(o.ClientID, o.Tenant+"_APPID")
	o.ClientSecret = cmp.Or(o.ClientSecret, "cs-"+randomText(24))
	o.Username = cmp.Or(o.Username, "closeuser")
	o.Password = cmp.Or(o.Password, "pw-"+randomText(24))
	if o.Catalog.empty() {
		o.Catalog = DefaultCatalog()
	}
	o.Speed = cmp.Or(o.Speed, 1)
	o.TokenTTL = cmp.Or(o.TokenTTL, time.Hour)
	o.PARTTL = cmp.Or(o.PARTTL, 24*time.Hour)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Simulator is a running service.
type Simulator struct {
	opts  Options
	caPEM []byte
	dir   string
	own   bool // Close removes dir

	server *http.Server
	ctx    context.Context // ends with Close
	stop   context.CancelFunc

	clock      *clock
	quirks     *quirkSet
	journal    *journal
	faults     *faults
	iam        *iam
	store      *objectStore
	files      *files
	reports    *reports
	migrations *migrations
	scheduler  *scheduler

	preferences *preferences
	exports     *dataExports
}

// Start listens and serves until Close. An error lists all problems of the options.
func Start(opts Options) (*Simulator, error) {
	opts.fillDefaults()
	s := &Simulator{quirks: &quirkSet{}, journal: &journal{}}
	err := errors.Join(opts.Catalog.check(), s.quirks.set(opts.Quirks))
	if opts.Speed < 0 {
		err = errors.Join(err, errors.New("speed must be more than 0"))
	}
	if opts.TokenTTL < 0 || opts.PARTTL < 0 {
		err = errors.Join(err, errors.New("lifetimes must be more than 0"))
	}
	if err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	if err := s.prepareDir(opts.Dir); err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	if err := s.listen(opts); err != nil {
		s.removeDir()
		return nil, fmt.Errorf("simulator: %w", err)
	}
	return s, nil
}

func (s *Simulator) prepareDir(dir string) (err error) {
	s.dir = dir
	if dir == "" {
		s.own = true
		if s.dir, err = os.MkdirTemp("", "pbsm-simulator-"); err != nil {
			return fmt.Errorf("folder for the object store: %w", err)
		}
	}
	if err := os.MkdirAll(filepath.Join(s.dir, "objects"), 0o700); err != nil {
		return fmt.Errorf("folder for the object store: %w", err)
	}
	return nil
}

func (s *Simulator) removeDir() {
	if s.own {
		_ = os.RemoveAll(s.dir)
	}
}

func (s *Simulator) listen(opts Options) error {
	leaf, caPEM, err := newCertificate(opts.Hosts)
	if err != nil {
		return err
	}
	s.caPEM = caPEM
	if err := os.WriteFile(s.CAFile(), caPEM, 0o600); err != nil {
		return fmt.Errorf("CA file: %w", err)
	}
	ln, err := net.Listen("tcp", opts.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	opts.PublicHost = cmp.Or(opts.PublicHost, net.JoinHostPort("localhost", port))
	opts.ObjectStoreHost = cmp.Or(opts.ObjectStoreHost, net.JoinHostPort("127.0.0.1", port))
	s.opts = opts
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.clock = newClock(opts.Now, opts.Speed)
	s.faults = &faults{rand: rand.New(rand.NewPCG(uint64(opts.Seed), 1))}
	s.iam = newIAM(opts, s.quirks)
	s.store = newObjectStore(opts, s.quirks, filepath.Join(s.dir, "objects"), s.clock)
	s.files = newFiles()
	s.reports = newReports(opts.Catalog)
	s.migrations = newMigrations(opts.Catalog)
	s.preferences = &preferences{date: map[string]string{}}
	s.exports = newDataExports(opts.Catalog)
	s.scheduler = newScheduler(opts.Catalog, s.clock, s.quirks)
	s.server = &http.Server{
		Handler:           s.handler(),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: tls.VersionTLS12},
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1 only, so that closing a connection affects one request
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          slog.NewLogLogger(opts.Logger.Handler(), slog.LevelDebug),
	}
	ln = tls.NewListener(ln, s.server.TLSConfig)
	if slices.Contains(opts.Quirks, ReportHeadersCamel) {
		ln, s.server.ConnContext = spellingListener{ln}, withSpelling
	}
	go func() {
		if err := s.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			opts.Logger.Error("simulator stopped serving", "error", err)
		}
	}()
	return nil
}

// Close ends all connections and removes the temporary folder.
func (s *Simulator) Close() error {
	s.stop()
	err := s.server.Close()
	s.removeDir()
	return err
}

// BaseURL returns the application base path, https://HOST/TENANT.
func (s *Simulator) BaseURL() string { return "https://" + s.opts.PublicHost + "/" + s.opts.Tenant }

// TokenURL returns the IAM tenant's token endpoint.
func (s *Simulator) TokenURL() string { return "https://" + s.opts.PublicHost + tokenPath }

// CAFile returns the path of a PEM file with the private CA.
func (s *Simulator) CAFile() string { return filepath.Join(s.dir, "ca.pem") }

// CAPEM returns the private CA.
func (s *Simulator) CAPEM() []byte { return slices.Clone(s.caPEM) }

// Options returns the options with their defaults filled in, including credentials.
func (s *Simulator) Options() Options { return s.opts }

// Journal returns all requests so far, in the order of their responses.
func (s *Simulator) Journal() []Entry { return s.journal.all() }

// Inject arms faults. It panics if one of them has an unknown kind or an unknown call.
func (s *Simulator) Inject(list ...Fault) {
	if err := s.faults.inject(list...); err != nil {
		panic("simulator: " + err.Error())
	}
}

// ClearFaults disarms all faults.
func (s *Simulator) ClearFaults() { s.faults.clear() }

// Applied is how many requests of a call have met an injected fault so far, those that it holds up included.
func (s *Simulator) Applied(call string) int { return s.faults.applied(call) }

// SetQuirks replaces the active quirks.
func (s *Simulator) SetQuirks(names ...Quirk) error { return s.quirks.set(names) }

// SetSpeed changes the number of simulated seconds in a real second.
func (s *Simulator) SetSpeed(speed float64) { s.clock.SetSpeed(speed) }

// Advance moves simulated time forward at once.
func (s *Simulator) Advance(d time.Duration) { s.clock.Advance(d) }

// Runs returns all runs of batches and groups, including children, in the order of their creation.
func (s *Simulator) Runs() []Run { return s.scheduler.list() }

// Run returns the run with that id.
func (s *Simulator) Run(id string) (Run, bool) { return s.scheduler.find(id) }

// Operate does what an operator can do on the service's own screens: interrupt or restart a run, hold or release a
// task.
func (s *Simulator) Operate(runID, action, task string) error {
	return s.scheduler.operate(runID, action, task)
}

// Files returns all announced files, whether they have arrived or not.
func (s *Simulator) Files() []File { return s.files.list(s.store) }

// Object opens the bytes of an uploaded file. The caller closes it.
func (s *Simulator) Object(fileID int64) (io.ReadCloser, error) {
	f, ok := s.files.get(fileID)
	if !ok {
		return nil, fmt.Errorf("simulator: no file %d", fileID)
	}
	o, ok := s.store.object(f.object)
	if !ok {
		return nil, fmt.Errorf("simulator: no bytes of file %d have arrived", fileID)
	}
	return o.open(0, o.size), nil
}

// Report opens the bytes of a report instance and returns its filter. The caller closes them.
func (s *Simulator) Report(instanceID string) (content io.ReadCloser, filter string, err error) {
	s.reports.mu.Lock()
	defer s.reports.mu.Unlock()
	i, ok := s.reports.instances[instanceID]
	if !ok {
		return nil, "", fmt.Errorf("simulator: no report instance %s", instanceID)
	}
	o, ok := s.store.object(i.object)
	if !ok {
		return nil, "", fmt.Errorf("simulator: report instance %s is not complete", instanceID)
	}
	return o.open(0, o.size), i.filter, nil
}

// ExpireTokens expires all access tokens, and with logins also all refresh tokens.
func (s *Simulator) ExpireTokens(logins bool) { s.iam.expire(logins) }

// ExpirePARs expires all PARs and URIs of multipart uploads issued so far.
func (s *Simulator) ExpirePARs() { s.store.expireAll() }

// UnlockAccount forgets the wrong passwords so far.
func (s *Simulator) UnlockAccount() { s.iam.unlock() }

// Secrets returns the client secret, the password, and every token and PAR secret issued so far. None of them may
// appear in a history, a log or a dump.
func (s *Simulator) Secrets() []string {
	return slices.Concat([]string{s.opts.ClientSecret, s.opts.Password}, s.iam.secrets(), s.store.secrets())
}

// connectionYAML returns a `connections:` section with one connection. It takes the secrets as they are to be written:
// as text, or as a reference.
func (s *Simulator) connectionYAML(name, caFile string, clientSecret, password any) string {
	parHost := s.opts.ObjectStoreHost
	if h, _, err := net.SplitHostPort(parHost); err == nil {
		parHost = h
	}
	out, err := yaml.Marshal(map[string]any{"connections": map[string]any{name: map[string]any{
		"base_url": s.BaseURL(), "token_url": s.TokenURL(), "tenant_id": s.opts.Tenant, "service_id": s.opts.ServiceID,
		"workspace_id": s.opts.WorkspaceID, "remote_user": s.opts.RemoteUser, "locale": "en-US", "app_id": s.opts.AppID,
		"client_id": s.opts.ClientID, "client_secret": clientSecret, "username": s.opts.Username, "password": password,
		"ca_file": caFile, "par_hosts": []string{parHost},
	}}})
	if err != nil { // only strings and maps of strings get here
		panic("simulator: connection: " + err.Error())
	}
	return string(out)
}

// WriteConfig writes ca.pem, the secrets (mode 0600) and pbsm.yaml with one connection into dir.
func (s *Simulator) WriteConfig(dir, connection string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("simulator: configuration folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("simulator: configuration folder: %w", err)
	}
	ca, secret, password := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "client_secret"), filepath.Join(dir, "password")
	fromFile := func(path string) map[string]string { return map[string]string{"file": path} }
	for _, f := range []struct{ path, text string }{
		{ca, string(s.caPEM)},
		{secret, s.opts.ClientSecret},
		{password, s.opts.Password},
		{filepath.Join(dir, "pbsm.yaml"), s.connectionYAML(connection, ca, fromFile(secret), fromFile(password))},
	} {
		if err := os.WriteFile(f.path, []byte(f.text), 0o600); err != nil {
			return fmt.Errorf("simulator: configuration: %w", err)
		}
	}
	return nil
}

// randomText returns n random bytes, encoded for URLs.
func randomText(n int) string {
	b := make([]byte, n)
	_, _ = crand.Read(b) // documented never to fail
	return base64.RawURLEncoding.EncodeToString(b)
}
