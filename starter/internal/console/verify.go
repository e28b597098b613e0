package console

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	// verifyTimeout is how long the check of an audit file may take, and verdictLasts how long its outcome is shown.
	verifyTimeout = 5 * time.Second
	verdictLasts  = time.Minute
)

// OpenStore opens a store of the configuration.
type OpenStore func(ctx context.Context, name string) (*stores.Stores, error)

// auditor verifies audit files against the seals that the workflows know.
type auditor struct {
	open OpenStore

	mu       sync.Mutex
	verdicts map[string]verdict // by file and seal
}

type verdict struct {
	text string
	at   time.Time
}

func newAuditor(open OpenStore) *auditor { return &auditor{open: open, verdicts: map[string]verdict{}} }

// verdict says whether an audit file is the one that was sealed.
func (a *auditor) verdict(ctx context.Context, of workflows.AuditResult) string {
	key := of.File + " " + of.SHA256
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.verdicts[key]; ok && time.Since(known.at) < verdictLasts {
		return known.text
	}
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	text := a.verify(ctx, of)
	if len(a.verdicts) > keepEnded {
		clear(a.verdicts)
	}
	a.verdicts[key] = verdict{text, time.Now()}
	return text
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
		return fmt.Sprintf("%d lines, intact; the workflow knows no seal", found.Lines)
	}
	for _, seal := range found.Seals {
		if strings.EqualFold(seal.SHA256, of.SHA256) {
			return fmt.Sprintf("%d lines, intact, with the seal that the workflow has", found.Lines)
		}
	}
	return "NOT AS WRITTEN: its lines match, but no seal in it is the one that the workflow has"
}
