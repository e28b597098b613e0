package console

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	// verifyTimeout is how long the check of an audit file may take, verifyPatience how long a page waits for it, and
	// verdictLasts how long its outcome is shown.
	verifyTimeout  = 5 * time.Second
	verifyPatience = 2 * time.Second
	verdictLasts   = time.Minute
)

// OpenStore opens a store of the configuration.
type OpenStore func(ctx context.Context, name string) (*stores.Stores, error)

// auditor verifies audit files against the seals that the workflows know.
type auditor struct {
	open OpenStore

	mu       sync.Mutex
	verdicts map[string]*verdict // by file and seal
}

type verdict struct {
	known chan struct{} // closed once the rest is
	text  string
	at    time.Time
}

// old reports whether a verdict is known, and not to be shown any longer.
func (v *verdict) old() bool {
	select {
	case <-v.known:
		return time.Since(v.at) >= verdictLasts
	default:
		return false
	}
}

func newAuditor(open OpenStore) *auditor {
	return &auditor{open: open, verdicts: map[string]*verdict{}}
}

// verdict says whether an audit file is the one that was sealed. Each file is verified once for all who look at it, and
// to its end also if they go away; a slow store holds up nobody for long, and the pages of other files not at all.
func (a *auditor) verdict(ctx context.Context, of workflows.AuditResult) string {
	v := a.begin(ctx, of)
	select {
	case <-v.known:
		return v.text
	case <-ctx.Done():
	case <-time.After(verifyPatience):
	}
	return "being verified"
}

// begin has a file verified, unless that is under way or has just been done.
func (a *auditor) begin(ctx context.Context, of workflows.AuditResult) *verdict {
	key := of.File + " " + of.SHA256
	a.mu.Lock()
	defer a.mu.Unlock()
	if v := a.verdicts[key]; v != nil && !v.old() {
		return v
	}
	if len(a.verdicts) > keepEnded {
		clear(a.verdicts)
	}
	v := &verdict{known: make(chan struct{})}
	a.verdicts[key] = v
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), verifyTimeout)
		defer cancel()
		v.text, v.at = a.verify(ctx, of), time.Now()
		close(v.known)
	}()
	return v
}

func (a *auditor) verify(ctx context.Context, of workflows.AuditResult) string {
	name, _, _ := strings.Cut(of.File, "/")
	if a.open == nil {
		return "not verified: the console has no stores"
	}
	opened, err := a.open(ctx, name)
	if err != nil {
		return "not verified: " + err.Error()
	}
	defer opened.Close()
	file, err := opened.Open(ctx, of.File)
	if err != nil {
		return "not verified: " + err.Error()
	}
	defer file.Close()
	found, err := audit.Verify(file)
	var broken *audit.Broken
	switch {
	case errors.As(err, &broken):
		return "NOT AS WRITTEN: " + broken.Error()
	case err != nil:
		return "not verified: " + err.Error()
	case of.SHA256 == "":
		return counted(int(found.Lines), "line") + ", intact; the workflow knows no seal"
	}
	for _, seal := range found.Seals {
		if strings.EqualFold(seal.SHA256, of.SHA256) {
			return counted(int(seal.Lines), "line") + ", intact, with the seal that the workflow has"
		}
	}
	return "NOT AS WRITTEN: its lines match, but no seal in it is the one that the workflow has"
}
