package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"github.com/pbsmflow/pbsmflow/internal/config"
)

const (
	codecHeaderTimeout   = 5 * time.Second
	codecTimeout         = 30 * time.Second
	codecShutdownTimeout = 5 * time.Second
	maxCodecRequest      = 32 << 20 // bytes; a page of the web interface sends the payloads of many events
)

// codecServer opens payloads for the web interface, and seals what is typed into its forms.
type codecServer struct {
	listen        string
	origins       []string
	certFile, key string
	behindProxy   bool
}

func newCodecServerCommand(a *app) *cobra.Command {
	var s codecServer
	cmd := &cobra.Command{
		Use:   "codec-server",
		Short: "Open encrypted payloads for the Temporal UI",
		Long: `Open encrypted payloads for the Temporal UI, with the keys of the configuration, and seal
what is typed into its forms. Tell the UI where it is: TEMPORAL_CODEC_ENDPOINT.

It answers pages of the origins that are named, and no other page. It does not ask who
somebody is: whoever reaches it reads every payload. So it listens on the loopback, unless
--behind-proxy says that a proxy in front of it lets only the right people in. With TLS
here the way from that proxy is encrypted, too.`,
		Example: `  starter codec-server --origin http://localhost:8080
  starter codec-server --listen :8081 --behind-proxy --origin https://temporal.example.com --tls-cert cert.pem --tls-key key.pem`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context(), a) },
	}
	flags := cmd.Flags()
	flags.StringVar(&s.listen, "listen", "127.0.0.1:8081", "the `address` to listen on")
	flags.StringArrayVar(&s.origins, "origin", nil, "the `origin` of the UI's pages, as https://temporal.example.com; repeatable")
	flags.StringVar(&s.certFile, "tls-cert", "", "the `file` of the certificate, PEM")
	flags.StringVar(&s.key, "tls-key", "", "the `file` of its key, PEM")
	flags.BoolVar(&s.behindProxy, "behind-proxy", false, "a proxy tells who may ask: listen beyond the loopback")
	cmd.AddCommand(newCodecHealthcheckCommand())
	return cmd
}

func newCodecHealthcheckCommand() *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:     "healthcheck",
		Short:   "Exit 0 when the codec server on this host answers",
		Example: "  starter codec-server healthcheck --url https://localhost:8081/healthz",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), codecHeaderTimeout)
			defer cancel()
			if !answers(ctx, address) {
				return &problem{code: exitFailed, message: address + " does not answer"}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&address, "url", "http://127.0.0.1:8081/healthz", "the health page to ask")
	return cmd
}

// faults are everything that is wrong with the flags.
func (s codecServer) faults() []string {
	var faults []string
	if len(s.origins) == 0 {
		faults = append(faults, "--origin is missing: name the origin of the Temporal UI, as http://localhost:8080")
	}
	for _, origin := range s.origins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Scheme+"://"+u.Host != origin || strings.ToLower(origin) != origin {
			faults = append(faults, fmt.Sprintf("--origin %q is not an origin as browsers send it: https://HOST or https://HOST:PORT, lower case, nothing behind it", origin))
		}
	}
	host, _, err := net.SplitHostPort(s.listen)
	if err != nil {
		faults = append(faults, fmt.Sprintf("--listen %q is not an address such as 127.0.0.1:8081", s.listen))
	} else if ip := net.ParseIP(host); !s.behindProxy && host != "localhost" && !ip.IsLoopback() {
		faults = append(faults, "--listen is beyond the loopback, where anybody could have payloads opened: put a proxy that asks who they are in front of it, and say --behind-proxy")
	}
	if (s.certFile == "") != (s.key == "") {
		faults = append(faults, "--tls-cert and --tls-key go together")
	}
	return faults
}

func (s codecServer) run(ctx context.Context, a *app) error {
	faults := s.faults()
	keys, err := config.LoadEncryption(a.config, os.Environ())
	if err != nil {
		faults = append(faults, err.Error())
	} else if len(keys.IDs()) == 0 {
		faults = append(faults, "the configuration has no encryption.keys: there is nothing to open")
	}
	certificates := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.certFile != "" && s.key != "" {
		certificate, err := tls.LoadX509KeyPair(s.certFile, s.key)
		if err != nil {
			faults = append(faults, "--tls-cert, --tls-key: "+err.Error())
		}
		certificates.Certificates = []tls.Certificate{certificate}
	}
	if len(faults) > 0 {
		return &problem{code: exitUsage, message: "the codec server cannot start", faults: faults}
	}
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return &problem{code: exitUsage, message: "--listen: " + err.Error()}
	}
	logger := slog.New(slog.NewJSONHandler(a.stderr, nil))
	server := &http.Server{
		Handler: codecHandler(keys, s.origins, logger), TLSConfig: certificates,
		ReadHeaderTimeout: codecHeaderTimeout, ReadTimeout: codecTimeout, WriteTimeout: codecTimeout,
	}
	serve := func() error { return server.Serve(listener) }
	if s.certFile != "" {
		serve = func() error { return server.ServeTLS(listener, "", "") }
	}
	logger.Info("codec server started", "address", listener.Addr().String(), "tls", s.certFile != "", "origins", s.origins, "keys", keys.IDs())
	ended := make(chan error, 1)
	go func() { ended <- serve() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), codecShutdownTimeout)
	defer cancel()
	err = server.Shutdown(stopping)
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// codecHandler answers /encode and /decode as Temporal's tools ask for it, and /healthz. Who asks,
// from where and for how much is logged, never what.
func codecHandler(codec converter.PayloadCodec, origins []string, logger *slog.Logger) http.Handler {
	payloads := http.MaxBytesHandler(converter.NewPayloadCodecHTTPHandler(lenientCodec{codec, logger}), maxCodecRequest)
	logged := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		logger.Info("asked", "path", r.URL.Path, "from", r.RemoteAddr, "origin", r.Header.Get("Origin"), "namespace", r.Header.Get("X-Namespace"), "bytes", r.ContentLength)
		payloads.ServeHTTP(w, r)
	})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.Handle("/encode", forOrigins(origins, logged))
	mux.Handle("/decode", forOrigins(origins, logged))
	return mux
}

// lenientCodec gives a payload back as it is where it cannot be opened, and logs why. With an error
// who asks would have none of the others: the temporal command gives up a whole list or history.
type lenientCodec struct {
	converter.PayloadCodec
	logger *slog.Logger
}

func (c lenientCodec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	opened := slices.Clone(payloads)
	left := map[string]int{} // by why
	for i := range payloads {
		one, err := c.PayloadCodec.Decode(payloads[i : i+1])
		if err != nil {
			left[err.Error()]++
			continue
		}
		opened[i] = one[0]
	}
	for _, why := range slices.Sorted(maps.Keys(left)) {
		c.logger.Warn("payloads could not be opened and are given back as they are", "payloads", left[why], "error", why)
	}
	return opened, nil
}

// forOrigins lets pages of these origins ask. A page of another one is refused, not only kept from
// reading the answer. What is no page (temporal --codec-endpoint) has no origin.
func forOrigins(origins []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Add("Vary", "Origin")
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		origin, isPage := r.Header["Origin"]
		if isPage && (len(origin) != 1 || !slices.Contains(origins, origin[0])) {
			http.Error(w, "pages of this origin may not ask", http.StatusForbidden)
			return
		}
		if isPage {
			header.Set("Access-Control-Allow-Origin", origin[0])
			header.Set("Access-Control-Allow-Credentials", "true")
		}
		if r.Method == http.MethodOptions {
			header.Set("Access-Control-Allow-Methods", http.MethodPost)
			header.Set("Access-Control-Allow-Headers", "Authorization, Authorization-Extras, Content-Type, X-Namespace")
			header.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
