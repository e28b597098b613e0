package simulator

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// ControlHeader is required, with the value 1, in every request to the control endpoint.
const ControlHeader = "X-Simulator-Control"

// control serves the endpoint that controls the simulator from another process:
//
//	GET    journal            entries as JSON lines; ?since=SEQ returns only later ones
//	POST   faults             a Fault, or an array of them
//	DELETE faults
//	GET    runs, runs/{id}
//	POST   runs/{id}/{action} interrupt, restart, hold?task=, release?task=: what an operator would do on the service's screens
//	GET    files, files/{id}/bytes
//	GET    clock              {"sim": ..., "real": ..., "speed": ...}
//	PUT    clock              {"speed": 60}, {"advance": "1h"}, or both
//	GET    quirks             the table; PUT quirks ["name", ...] replaces the active ones
//	DELETE tokens             expires all access tokens; with ?logins=true also the refresh tokens
//	DELETE pars               expires all PARs
//	POST   unlock             forgets wrong passwords
//	GET    secrets            what must not appear anywhere else
func (s *Simulator) control() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, do func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			answer, err := do(r)
			w.Header().Set("Content-Type", "application/json")
			if err != nil {
				w.WriteHeader(http.StatusBadRequest)
				answer = fields{"error": err.Error()}
			}
			_ = json.NewEncoder(w).Encode(answer)
		})
	}
	done := fields{"ok": true}
	mux.HandleFunc("GET /_simulator/journal", s.controlJournal)
	handle("POST /_simulator/faults", func(r *http.Request) (any, error) {
		var list oneOrMany
		if err := decodeYAML(r, &list); err != nil {
			return nil, err
		}
		return done, s.faults.inject(list...)
	})
	handle("DELETE /_simulator/faults", func(*http.Request) (any, error) {
		s.ClearFaults()
		return done, nil
	})
	handle("GET /_simulator/runs", func(*http.Request) (any, error) { return s.Runs(), nil })
	handle("GET /_simulator/runs/{id}", func(r *http.Request) (any, error) {
		run, ok := s.Run(r.PathValue("id"))
		if !ok {
			return nil, errNoRun
		}
		return run, nil
	})
	handle("POST /_simulator/runs/{id}/{action}", func(r *http.Request) (any, error) {
		return done, s.Operate(r.PathValue("id"), r.PathValue("action"), r.URL.Query().Get("task"))
	})
	handle("GET /_simulator/files", func(*http.Request) (any, error) { return s.Files(), nil })
	mux.HandleFunc("GET /_simulator/files/{id}/bytes", s.controlBytes)
	handle("GET /_simulator/clock", func(*http.Request) (any, error) {
		return fields{"sim": s.clock.Sim(), "real": s.opts.Now(), "speed": s.clock.Speed()}, nil
	})
	handle("PUT /_simulator/clock", func(r *http.Request) (any, error) {
		var change struct {
			Speed   float64       `yaml:"speed"`
			Advance time.Duration `yaml:"advance"`
		}
		if err := decodeYAML(r, &change); err != nil {
			return nil, err
		}
		if change.Speed < 0 || change.Advance < 0 {
			return nil, errBackwards
		}
		if change.Speed > 0 {
			s.SetSpeed(change.Speed)
		}
		s.Advance(change.Advance)
		return done, nil
	})
	handle("GET /_simulator/quirks", func(*http.Request) (any, error) { return AllQuirks(), nil })
	handle("PUT /_simulator/quirks", func(r *http.Request) (any, error) {
		var names Quirks
		if err := decodeYAML(r, &names); err != nil {
			return nil, err
		}
		return done, s.SetQuirks(names...)
	})
	handle("DELETE /_simulator/tokens", func(r *http.Request) (any, error) {
		s.ExpireTokens(r.URL.Query().Get("logins") == "true")
		return done, nil
	})
	handle("DELETE /_simulator/pars", func(*http.Request) (any, error) {
		s.ExpirePARs()
		return done, nil
	})
	handle("POST /_simulator/unlock", func(*http.Request) (any, error) {
		s.UnlockAccount()
		return done, nil
	})
	handle("GET /_simulator/secrets", func(*http.Request) (any, error) { return s.Secrets(), nil })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(ControlHeader) != "1" {
			http.Error(w, "the header "+ControlHeader+": 1 is required", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

type controlError string

func (e controlError) Error() string { return string(e) }

const (
	errNoRun     = controlError("there is no such run")
	errBackwards = controlError("time does not run backwards")
)

func (s *Simulator) controlJournal(w http.ResponseWriter, r *http.Request) {
	since, _ := strconv.Atoi(r.URL.Query().Get("since"))
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	for _, e := range s.Journal() {
		if e.Seq > since {
			_ = out.Encode(e)
		}
	}
}

func (s *Simulator) controlBytes(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		http.Error(w, "the file id is not a number", http.StatusBadRequest)
		return
	}
	body, err := s.Object(id)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	defer func() { _ = body.Close() }()
	_, _ = io.Copy(w, body)
}

// decodeYAML decodes JSON as YAML, which accepts durations like "2s".
func decodeYAML(r *http.Request, into any) error {
	dec := yaml.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	dec.KnownFields(true)
	return dec.Decode(into)
}

type oneOrMany []Fault

func (l *oneOrMany) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.SequenceNode {
		return node.Decode((*[]Fault)(l))
	}
	*l = make([]Fault, 1)
	return node.Decode(&(*l)[0])
}
