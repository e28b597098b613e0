// Package codecserver has starter codec-server.
package codecserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/encryption"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
)

const (
	headerTimeout   = 5 * time.Second
	timeout         = 30 * time.Second
	shutdownTimeout = 5 * time.Second
)

type options struct {
	listen        string
	origins       []string
	certFile, key string
	behindProxy   bool
}

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "codec-server",
		Short: "Open encrypted payloads for the Temporal UI",
		Long: `Open encrypted payloads for the Temporal UI with the keys of the configuration,
and seal what is typed into its forms. TEMPORAL_CODEC_ENDPOINT names its address
to the UI.

It answers pages of the given origins, and no others. It does not authenticate:
whoever reaches it reads every payload. So it listens on the loopback only,
unless --behind-proxy says that a proxy in front of it authenticates. TLS here
encrypts the way from that proxy.`,
		Example: f.Examples(
			"codec-server --origin http://localhost:8080",
			`codec-server --listen :8081 --behind-proxy \
      --origin https://temporal.example.com --tls-cert tls.pem --tls-key key.pem`,
		),
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), f, o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8081", "the `address` to listen on")
	flags.StringArrayVar(&o.origins, "origin", nil,
		"the `origin` of the UI's pages, as https://temporal.example.com; repeatable")
	flags.StringVar(&o.certFile, "tls-cert", "", "the `file` of the certificate, PEM")
	flags.StringVar(&o.key, "tls-key", "", "the `file` of its key, PEM")
	flags.BoolVar(&o.behindProxy, "behind-proxy", false, "a proxy authenticates: allow an address beyond the loopback")
	cmd.AddCommand(cli.NewHealthcheck(f, "codec-server", "codec server", "http://127.0.0.1:8081/healthz"))
	return cmd
}

// problems lists everything that is wrong with the flags.
func (o options) problems() []string {
	var found []string
	if len(o.origins) == 0 {
		found = append(found, "--origin is missing: name the origin of the Temporal UI, as http://localhost:8080")
	}
	for _, origin := range o.origins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Scheme+"://"+u.Host != origin ||
			strings.ToLower(origin) != origin {
			found = append(found, fmt.Sprintf("--origin %q is not an origin as browsers send it: https://HOST or "+
				"https://HOST:PORT, lower case, nothing after it", origin))
		}
	}
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		found = append(found, fmt.Sprintf("--listen %q is not an address such as 127.0.0.1:8081", o.listen))
	} else if ip := net.ParseIP(host); !o.behindProxy && host != "localhost" && !ip.IsLoopback() {
		found = append(found, "--listen is beyond the loopback, where anyone could open payloads: put a proxy that "+
			"authenticates in front of it, and pass --behind-proxy")
	}
	if (o.certFile == "") != (o.key == "") {
		found = append(found, "--tls-cert and --tls-key go together")
	}
	return found
}

// load checks the flags, and loads the keys of the configuration and the certificate.
func (o options) load(f *cli.Factory) (*encryption.Keyring, *tls.Config, error) {
	found := o.problems()
	keys, err := config.LoadEncryption(f.Config, os.Environ())
	if err != nil {
		found = append(found, err.Error())
	} else if len(keys.IDs()) == 0 {
		found = append(found, "the configuration has no encryption.keys: there is nothing to open")
	}
	certificates := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.certFile != "" && o.key != "" {
		certificate, err := tls.LoadX509KeyPair(o.certFile, o.key)
		if err != nil {
			found = append(found, "--tls-cert, --tls-key: "+err.Error())
		}
		certificates.Certificates = []tls.Certificate{certificate}
	}
	return keys, certificates, cli.Listing(cli.ExitUsage, "the codec server cannot start", found)
}

func run(ctx context.Context, f *cli.Factory, o options) error {
	keys, certificates, err := o.load(f)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return cli.Usage("--listen: %v", err)
	}
	logger := slog.New(slog.NewJSONHandler(f.Stderr, nil))
	server := &http.Server{
		Handler:           newHandler(keys, o.origins, logger),
		TLSConfig:         certificates,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       timeout,
		WriteTimeout:      timeout,
	}
	serve := func() error { return server.Serve(listener) }
	if o.certFile != "" {
		serve = func() error { return server.ServeTLS(listener, "", "") }
	}
	logger.Info("codec server started", "address", listener.Addr().String(), "tls", o.certFile != "", "origins", o.origins,
		"keys", keys.IDs())
	ended := make(chan error, 1)
	go func() { ended <- serve() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err = server.Shutdown(stopping)
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
