// Package activities wraps every REST call of the service, and every transfer of internal/transfer, in a
// Temporal activity.
//
// A REST call is a method of the client in internal/pbsm, in the file of its chapter (scheduler, report, files,
// migration), a method of Activities in the file of the same theme here (batches, reports, files, migration), and a
// route of internal/simulator.
//
// An activity decodes its input, makes one call, and classifies the error; the workflows decide what happens
// next. Histories contain the inputs and results of this package: they have no credentials, and
// pre-authenticated URLs only sealed.
package activities

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/time/rate"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/notify"
	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/proof"
	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/internal/version"
)

// Activities are registered with a worker as one struct; each exported method is an activity.
type Activities struct {
	connections map[string]*connection
	stores      *stores.Stores
	storeChecks storeChecks
	pipelines   string
	definitions string // config.AnyDefinition or FolderDefinitions
	// hasPipelines: the pipelines folder was there when the worker started.
	hasPipelines bool
	calendars    calendar.Calendars
	poll         config.Poll
	askAfter     time.Duration
	payloads     converter.DataConverter
	failures     converter.FailureConverter
	temporal     client.Client
	channels     *notify.Channels
	temporalUI   string
	console      config.Console
	starter      config.Starter
	verifier     *proof.Verifier
	requireProof bool
}

type connection struct {
	service  *pbsm.Client
	observer observer
	objects  *parstore.Client
	sealer   parstore.Sealer
	config   config.Connection
	// folderPace limits the calls within PutFolder to the rate to which the task queue limits all others.
	folderPace *rate.Limiter
}

// New creates the activities of a configuration.
func New(
	ctx context.Context, cfg *config.Config, temporal client.Client, metrics client.MetricsHandler,
) (*Activities, error) {
	a := &Activities{
		connections: map[string]*connection{},
		pipelines:   cfg.Worker.Pipelines,
		definitions: cfg.Worker.Definitions,
		poll:        cfg.Worker.Poll,
		askAfter:    cfg.Worker.AskAfter,
		payloads:    cfg.Encryption.Keyring().DataConverter(),
		failures:    cfg.Encryption.Keyring().FailureConverter(),
		temporal:    temporal,
		temporalUI:  cfg.Worker.TemporalUI,
		console:     cfg.Console,
		starter:     cfg.Worker.Starter,

		verifier:     proof.NewVerifier(cfg.Commands.PublicKeys()),
		requireProof: cfg.Commands.RequireProof,
	}
	for name, c := range cfg.Connections {
		conn, err := connect(name, c, metrics)
		if err != nil {
			return nil, fmt.Errorf("connection %s: %w", name, err)
		}
		a.connections[name] = conn
	}
	_, err := os.ReadDir(a.pipelines)
	a.hasPipelines = err == nil
	if a.calendars, err = calendar.Known(cfg.Calendars); err != nil {
		return nil, err
	}
	if a.channels, err = notify.Open(cfg.NotifyChannels()); err != nil {
		return nil, err
	}
	if a.stores, err = stores.Open(ctx, cfg.StoreSettings()); err != nil {
		return nil, err
	}
	return a, nil
}

func connect(name string, c config.Connection, metrics client.MetricsHandler) (*connection, error) {
	settings := c.Client()
	observer := newObserver(metrics, name)
	settings.Observe = observer.service
	service, err := pbsm.New(settings)
	if err != nil {
		return nil, err
	}
	objects, err := parstore.New(parstore.Options{
		PARHosts:  c.PARHosts,
		CAFile:    c.CAFile,
		Insecure:  c.Insecure,
		Timeout:   c.Timeout,
		UserAgent: version.UserAgent(),
		Parallel:  int(c.Transfer.Parallel),
		PartSize:  c.Transfer.PartSize,
		Threshold: c.Transfer.Threshold,
		Bandwidth: c.Transfer.Bandwidth,
		Observe:   observer.objects,
	})
	if err != nil {
		return nil, err
	}
	pace := rate.Inf
	if c.Rate > 0 {
		pace = rate.Limit(c.Rate)
	}
	return &connection{
		folderPace: rate.NewLimiter(pace, 1),
		service:    service,
		observer:   observer,
		objects:    objects,
		sealer:     parstore.NewSealer(c.ClientSecret.Expose(), name),
		config:     c,
	}, nil
}

// Application replaces the connection's service id, and the application id of reports, for one call. What is empty
// stays the connection's.
type Application struct {
	ServiceID string `json:"service_id,omitempty"`
	AppID     string `json:"app_id,omitempty"`
}

// serviceFor is the connection's client for an application.
func (c *connection) serviceFor(app Application) *pbsm.Client {
	if app == (Application{}) {
		return c.service
	}
	return c.service.For(pbsm.Application(app))
}

// Close closes the stores.
func (a *Activities) Close() error { return a.stores.Close() }

// sender is this worker, and as whom it calls the service on a connection, if it has that.
func (a *Activities) sender(connection string) audit.Sender {
	if conn, ok := a.connections[connection]; ok {
		return conn.sender()
	}
	return audit.Sender{Version: version.Version}
}

func (c *connection) sender() audit.Sender {
	return audit.Sender{Version: version.Version, Service: c.config.BaseURL, RemoteUser: c.config.RemoteUser}
}

func (a *Activities) connection(name string) (*connection, error) {
	if c, ok := a.connections[name]; ok {
		return c, nil
	}
	return nil, InvalidInputError(fmt.Sprintf("connection %q is not in this worker's configuration; it has %s",
		name, a.knownConnections()))
}
