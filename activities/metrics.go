package activities

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// Measures of the activities. docs/metrics.md says what they mean.
const (
	serviceCallMetric   = "pbsm_service_call"
	transferBytesMetric = "pbsm_transfer_bytes"
)

// Directions of a transfer.
const (
	directionUpload   = "upload"
	directionDownload = "download"
)

// observer measures the exchanges of a connection and shows them as spans of the activity that
// made them. Neither holds a URL: those of the object store are secrets.
type observer struct {
	metrics    client.MetricsHandler
	connection string
}

func newObserver(metrics client.MetricsHandler, connection string) observer {
	o := observer{metrics.WithTags(map[string]string{"connection": connection}), connection}
	for _, direction := range []string{directionUpload, directionDownload} {
		o.transferred(direction).Inc(0) // of a counter that begins later Prometheus cannot see the increase
	}
	return o
}

func (o observer) service(ctx context.Context, e pbsm.Exchange) {
	o.seen(ctx, e.Call, e.Status, e.Began, e.Took)
}

func (o observer) objects(ctx context.Context, e parstore.Exchange) {
	o.seen(ctx, "object "+strings.ToLower(e.Method), e.Status, e.Began, e.Took)
}

func (o observer) seen(ctx context.Context, call string, status int, began time.Time, took time.Duration) {
	code := "none"
	if status != 0 {
		code = strconv.Itoa(status)
	}
	o.metrics.WithTags(map[string]string{"call": call, "code": code}).Timer(serviceCallMetric).Record(took)

	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return
	}
	_, span := parent.TracerProvider().Tracer("pbsmflow").Start(ctx, call, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(began),
		trace.WithAttributes(attribute.String("pbsm.connection", o.connection), attribute.String("pbsm.call", call)))
	switch {
	case status == 0:
		span.SetStatus(codes.Error, "no answer")
	case status >= 400:
		span.SetStatus(codes.Error, "")
		fallthrough
	default:
		span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	span.End(trace.WithTimestamp(began.Add(took)))
}

func (o observer) transferred(direction string) client.MetricsCounter {
	return o.metrics.WithTags(map[string]string{"direction": direction}).Counter(transferBytesMetric)
}

// bytesCounter counts what moves beyond what was there when it began. What is sent again after
// a failed part is not counted twice.
type bytesCounter struct {
	counter client.MetricsCounter
	resumes bool // what is told first was there already
	first   sync.Once
	seen    atomic.Int64
}

func (c *bytesCounter) moved(done int64) {
	if c.resumes {
		c.first.Do(func() { c.seen.Store(done) })
	}
	for {
		seen := c.seen.Load()
		if done <= seen {
			return
		}
		if c.seen.CompareAndSwap(seen, done) {
			c.counter.Inc(done - seen)
			return
		}
	}
}

var errNoAnswer = errors.New("does not answer")

// StoreProblems tells of each store why it cannot be reached; nil where it can. It is back when ctx is done,
// whatever a store does.
func StoreProblems(ctx context.Context, a *Activities) map[string]error {
	return a.storeChecks.problems(ctx, a.stores.Names(), a.stores.Check)
}

// storeChecks are the checks that have not come back. A file system that hangs heeds no context, and
// each check of it would keep a thread: so a store is not asked again before it has answered.
type storeChecks struct{ pending sync.Map }

func (c *storeChecks) problems(ctx context.Context, names []string, check func(context.Context, string) error) map[string]error {
	type answer struct {
		name string
		err  error
	}
	problems, answers, asked := map[string]error{}, make(chan answer, len(names)), 0
	for _, name := range names {
		problems[name] = fmt.Errorf("store %s: %w", name, errNoAnswer)
		if _, hangs := c.pending.LoadOrStore(name, true); hangs {
			continue
		}
		asked++
		go func() {
			err := check(ctx, name)
			c.pending.Delete(name) // before the answer, or the next call would find it pending still
			answers <- answer{name, err}
		}()
	}
	for range asked {
		select {
		case is := <-answers:
			problems[is.name] = is.err
		case <-ctx.Done():
			return problems
		}
	}
	return problems
}

// RefusedLogins tells of each connection whether the service refused its credentials.
func RefusedLogins(a *Activities) map[string]bool {
	refused := map[string]bool{}
	for name, c := range a.connections {
		refused[name] = c.service.LoginRefused()
	}
	return refused
}
