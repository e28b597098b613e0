// Package console is the operators' page: what runs and waits tonight, each close, the questions and the buttons that
// answer them. It is HTML from the server; a short script replaces fragments as they change, and every page works
// without it.
package console

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/httpx"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

// Options are what the console needs besides its session.
type Options struct {
	Settings config.Console
	Login    Login
	// Sign proves who sends a command; nil where no key is configured.
	Sign *Signer
	// Schedules lists the schedules with their next nights; nil for none.
	Schedules func(context.Context) ([]view.Schedule, error)
	// OpenStore opens the stores of audit files; nil for none.
	OpenStore OpenStore
	Log       *slog.Logger
}

// Console serves the pages.
type Console struct {
	Options

	session   *client.Session
	board     *board
	ended     *endedCloses
	looks     *lookers
	schedules *schedules
	metrics   *metrics
	auditor   *auditor
	shared    *shared
}

// New makes a console. Run must run for it to know anything.
func New(s *client.Session, o Options) *Console {
	b := newBoard(s)
	c := &Console{
		Options:   o,
		session:   s,
		board:     b,
		ended:     newEndedCloses(b),
		looks:     newLookers(b),
		schedules: &schedules{find: o.Schedules},
		metrics:   newMetrics(b),
		auditor:   newAuditor(o.OpenStore),
	}
	c.shared = &shared{build: c.build, known: map[string]*sharedPage{}}
	return c
}

// Run keeps the console's picture current until ctx ends.
func (c *Console) Run(ctx context.Context) {
	go c.schedules.run(ctx, c.board)
	c.board.run(ctx)
}

//go:embed static
var static embed.FS

// Handler serves the pages, all behind the login but for its own and the style.
func (c *Console) Handler() http.Handler {
	files, _ := fs.Sub(static, "static") // the folder is embedded
	mux := http.NewServeMux()
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(files)))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	c.Login.Routes(mux, c.notify)
	for pattern, page := range map[string]func(http.ResponseWriter, *http.Request, access){
		"GET /{$}":                               c.servePage,
		"GET /inbox":                             c.servePage,
		"GET /w/{id...}":                         c.servePage,
		"GET /confirm/{id...}":                   c.serveConfirm,
		"GET /nights/{connection}/{pipeline...}": c.servePage,
		"GET /events":                            c.serveEvents,
		"POST /w/{id...}":                        c.serveCommand,
		"POST /api/commands":                     c.serveAPI,
		"POST /api/starts":                       c.serveStart,
		"GET /api/me":                            c.serveMe,
	} {
		mux.HandleFunc(pattern, c.loggedIn(page))
	}
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.Log.Warn("refused a form of another site", "path", r.URL.Path, "origin", r.Header.Get("Origin"), "from",
			r.RemoteAddr)
		c.metrics.refused.WithLabelValues(refusedSite).Inc()
		c.refuse(w, http.StatusForbidden, "This form came from another site, so nothing was done.")
	}))
	return secured(c.rightHost(protection.Handler(mux)))
}

// rightHost refuses requests for another host's name where there is no login: a page from elsewhere whose name was made
// to lead to the loopback would be of the same origin.
func (c *Console) rightHost(next http.Handler) http.Handler {
	if c.Settings.Login.Kind != config.NoLogin {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := (&url.URL{Host: r.Host}).Hostname()
		address, err := url.Parse(c.Settings.Address())
		if !httpx.IsLoopback(host) && (err != nil || host != address.Hostname()) {
			c.Log.Warn("refused a request for another host", "host", r.Host, "from", r.RemoteAddr)
			c.metrics.refused.WithLabelValues(refusedHost).Inc()
			c.refuse(w, http.StatusMisdirectedRequest, "This console has another address.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// secured sets the headers of every answer. Nothing is loaded from elsewhere, and nothing in a page can run but the
// script of the console.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "+
			"img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if strings.HasPrefix(r.URL.Path, "/static/") {
			h.Set("Cache-Control", "max-age=300")
		}
		next.ServeHTTP(w, r)
	})
}

// loggedIn serves a page to somebody who is known, and sends everybody else to the login.
func (c *Console) loggedIn(page func(http.ResponseWriter, *http.Request, access)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		person, ok := c.Login.Person(w, r)
		if ok {
			page(w, r, access{person, c.Settings.Roles})
			return
		}
		path := c.Login.LoginPath()
		_, program := bearer(r)
		program = program || strings.HasPrefix(r.URL.Path, "/api/")
		again := path + "?to=" + url.QueryEscape(r.URL.RequestURI())
		if path != "" && !program && r.Method == http.MethodGet && r.URL.Path != "/events" {
			http.Redirect(w, r, again, http.StatusSeeOther)
			return
		}
		c.metrics.refused.WithLabelValues(refusedLogin).Inc()
		c.Log.Warn("refused a request without a name", "method", r.Method, "path", r.URL.Path, "from", r.RemoteAddr)
		switch {
		case path == "":
			c.refuse(w, http.StatusForbidden, "You are not logged in, and this request did not come through the proxy that "+
				"says who you are.")
		case program:
			w.Header().Set("WWW-Authenticate", "Bearer")
			answerAPI(w, http.StatusUnauthorized, apiAnswer{Error: "no token, or none that is valid here: log in again"})
		default:
			why := "Your session has ended, so nothing was done."
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			if text := strings.TrimSpace(r.PostFormValue("why")); text != "" {
				why += fmt.Sprintf(" Your reason was: %q.", text)
			}
			c.notify(w, http.StatusUnauthorized, Notice{"Log in again", why, "Log in, and repeat it", again})
		}
	}
}

// notify shows a notice as a page.
func (c *Console) notify(w http.ResponseWriter, code int, n Notice) {
	c.render(w, code, page{Title: n.Title, Notice: &n})
}

func (c *Console) refuse(w http.ResponseWriter, code int, why string) {
	title := "Refused"
	switch code {
	case http.StatusNotFound:
		title = "Not found"
	case http.StatusBadGateway:
		title = "Not now"
	}
	c.render(w, code, page{Title: title, Refusal: why})
}

// Serve serves the console at its address, and its metrics at theirs, until ctx ends. It calls ready when it listens.
func (c *Console) Serve(ctx context.Context, ready func()) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	servers := []*http.Server{server(c.Settings.Listen, c.Handler())}
	if c.Settings.Metrics != "" {
		servers = append(servers, server(c.Settings.Metrics, c.metrics.handler()))
	}
	for _, s := range servers {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Addr)
		if err != nil {
			return cannotListen(s.Addr, err)
		}
		go func() { fail(s.Serve(listener)) }()
	}
	ready()
	go c.Run(ctx)
	<-ctx.Done()
	cause := context.Cause(ctx)
	for _, s := range servers {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		_ = s.Shutdown(closing) // pages that are open would hold it
		cancel()
		_ = s.Close()
	}
	if errors.Is(cause, context.Canceled) {
		return nil
	}
	return cause
}

// cannotListen says why the console cannot serve at an address, and what to do.
func cannotListen(address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return cli.Usage("the console cannot listen on %s: another program does already", address).
			Then("If that is a console, open http://"+address+".", "Else end it, or choose another address: --listen, or "+
				"console.listen and console.metrics in the configuration.")
	}
	return cli.Usage("the console cannot listen on %s: %v", address, err).
		Then("Choose an address of this machine: --listen, or console.listen in the configuration.")
}

func server(address string, handler http.Handler) *http.Server {
	return &http.Server{
		Addr:              address,
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}
