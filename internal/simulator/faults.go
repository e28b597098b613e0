package simulator

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind says what a fault does.
type Kind string

const (
	// The request is not processed.
	FaultStatus       Kind = "status"       // Status (default 503) with the chapter's documented error body
	FaultEmpty        Kind = "empty"        // Status (default 503) with no body
	FaultHTML         Kind = "html"         // Status (default 502) with a gateway's HTML page
	FaultUnauthorized Kind = "unauthorized" // 401 although the token is valid
	FaultCloseBefore  Kind = "close-before" // the connection is closed
	FaultRedirect     Kind = "redirect"     // Status (default 307) to another host
	FaultExpirePAR    Kind = "expire-par"   // the PAR expires, then the request is handled
	FaultExpireTokens Kind = "expire-tokens"
	FaultExpireLogins Kind = "expire-logins" // all access and refresh tokens expire, then the request is handled

	// The request is processed.
	FaultDelayBefore Kind = "delay-before" // waits for Delay, then processes, even if the client has disconnected
	FaultDelayAfter  Kind = "delay-after"  // processes, waits for Delay, then responds
	FaultCloseAfter  Kind = "close-after"  // closes the connection instead of responding
	FaultStatusAfter Kind = "status-after" // Status (default 503) instead of the response
	FaultHTMLAfter   Kind = "html-after"   // Status (default 502) and an HTML page instead of the response
	FaultTruncate    Kind = "truncate"     // the response breaks off after Bytes (default: half); for a PUT to the object store the request does, and nothing is stored
	FaultMalform     Kind = "malform"      // the response's body is not JSON
	FaultSlow        Kind = "slow"         // the response's body takes Delay
	FaultWrongLength Kind = "wrong-length" // the body is Bytes (default 1) too short, and so is Content-Length; for a PUT the stored object is too short
	FaultCorrupt     Kind = "corrupt"      // the byte at offset Bytes is wrong; for a PUT in the stored object
	FaultWrongRange  Kind = "wrong-range"  // 206 for a range that was not requested
	FaultIgnoreRange Kind = "ignore-range" // 200 and the whole object in response to a range
	FaultChangedETag Kind = "changed-etag" // the object is replaced by an equal one with a new ETag
	FaultNoLink      Kind = "no-link"      // a report is COMPLETE without a link
)

var kinds = []Kind{
	FaultStatus, FaultEmpty, FaultHTML, FaultUnauthorized, FaultCloseBefore, FaultRedirect, FaultExpirePAR,
	FaultExpireTokens, FaultExpireLogins, FaultDelayBefore, FaultDelayAfter, FaultCloseAfter, FaultStatusAfter,
	FaultHTMLAfter, FaultTruncate, FaultMalform, FaultSlow, FaultWrongLength, FaultCorrupt, FaultWrongRange,
	FaultIgnoreRange, FaultChangedETag, FaultNoLink,
}

// Fault is an injected failure. The first one that matches a request is applied to it.
type Fault struct {
	Call        string  // a call's name (see Calls), or "*"
	Match       string  // part of the entry's subject or name; empty matches all
	Probability float64 // 0 means always
	Times       int     // how often it is applied; 0 means no limit
	After       int     // how many matching requests pass first
	Kind        Kind
	Status      int
	RetryAfter  string        // the header's text: seconds, or an HTTP date
	Delay       time.Duration // real time
	Bytes       int64
}

type faults struct {
	mu    sync.Mutex
	rand  *rand.Rand
	armed []*armedFault
}

type armedFault struct {
	Fault
	passed, applied int
}

func (f *faults) inject(list ...Fault) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range list {
		if !slices.Contains(kinds, one.Kind) {
			return fmt.Errorf("unknown kind of fault %q", one.Kind)
		}
		if one.Call != "*" && !slices.Contains(Calls(), one.Call) {
			return fmt.Errorf("unknown call %q in a fault", one.Call)
		}
		f.armed = append(f.armed, &armedFault{Fault: one})
	}
	return nil
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed = nil
}

// applied is how many requests of a call have met a fault so far, those that are held up included.
func (f *faults) applied(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := 0
	for _, a := range f.armed {
		if a.Call == call {
			sum += a.applied
		}
	}
	return sum
}

// pick returns the fault to apply to a request, or nil.
func (f *faults) pick(call, subject, name string) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.armed {
		if a.Call != "*" && a.Call != call || a.Times > 0 && a.applied >= a.Times {
			continue
		}
		if !strings.Contains(subject, a.Match) && !strings.Contains(name, a.Match) {
			continue
		}
		if a.passed++; a.passed <= a.After {
			continue
		}
		if a.Probability > 0 && f.rand.Float64() >= a.Probability {
			continue
		}
		a.applied++
		picked := a.Fault
		return &picked
	}
	return nil
}
