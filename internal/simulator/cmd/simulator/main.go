// Command simulator serves the simulated service until it is stopped. When it is ready, it prints one line of JSON:
// base_url, token_url and ca_file.
//
//	simulator [flags]
//	simulator healthcheck URL   exits 0 if the simulator at URL responds; for container health checks
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	} else if err != nil {
		fmt.Fprintln(os.Stderr, "simulator:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(args) > 0 && args[0] == "healthcheck" {
		return healthcheck(ctx, args[1:])
	}
	opts, configDir, err := parse(args, stderr)
	if err != nil {
		return err
	}
	s, err := simulator.Start(opts)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	if configDir != "" {
		if err := s.WriteConfig(configDir, "demo"); err != nil {
			return err
		}
	}
	if err := json.NewEncoder(stdout).Encode(map[string]string{
		"base_url": s.BaseURL(), "token_url": s.TokenURL(), "ca_file": s.CAFile(),
	}); err != nil {
		return fmt.Errorf("print that the simulator is ready: %w", err)
	}
	<-ctx.Done()
	return nil
}

// parse reads the flags. An error lists all problems.
func parse(args []string, stderr io.Writer) (opts simulator.Options, configDir string, err error) {
	var hosts, catalog, level string
	var failing []string
	fs := flag.NewFlagSet("simulator", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&opts.Addr, "addr", "127.0.0.1:0", "address to listen on")
	fs.StringVar(&hosts, "hosts", "", "names in the certificate besides localhost, separated by commas")
	fs.StringVar(&opts.PublicHost, "public-host", "", "host:port in the service's URLs (default localhost:PORT)")
	fs.StringVar(&opts.ObjectStoreHost, "object-store-host", "", "host:port in PAR URLs (default 127.0.0.1:PORT)")
	fs.StringVar(&opts.Dir, "dir", "", "folder for the object store's bytes (default a temporary one)")
	fs.StringVar(&catalog, "catalog", "", "YAML file with the content of the tenant (default the demo's)")
	fs.Float64Var(&opts.Speed, "speed", 1, "simulated seconds in a real second")
	fs.Int64Var(&opts.Seed, "seed", 0, "seed of report contents and random faults")
	fs.DurationVar(&opts.TokenTTL, "token-ttl", time.Hour, "lifetime of an access token")
	fs.DurationVar(&opts.PARTTL, "par-ttl", 24*time.Hour, "lifetime of a PAR")
	fs.StringVar(&configDir, "write-config", "", "`folder` for ca.pem and pbsm.yaml with the connection demo")
	fs.StringVar(&level, "log-level", "warn", "debug, info, warn or error, on standard error")
	fs.Func("quirk", "a quirk to activate; may be repeated", func(name string) error {
		opts.Quirks = append(opts.Quirks, simulator.Quirk(name))
		return nil
	})
	fs.Func("fail-once", "a `BATCH/TASK` that fails once in each run; may be repeated", func(task string) error {
		failing = append(failing, task)
		return nil
	})
	fs.Usage = func() {
		fmt.Fprintln(stderr, "usage: simulator [flags]\n       simulator healthcheck URL\n\nflags:")
		fs.PrintDefaults()
		fmt.Fprintln(stderr, "\nquirks:")
		for _, q := range simulator.AllQuirks() {
			fmt.Fprintf(stderr, "  %-22s %s (%s)\n", q.Name, q.Does, q.Source)
		}
		printCatalog(stderr, simulator.DefaultCatalog())
	}
	if err := fs.Parse(args); err != nil {
		return opts, "", err
	}
	var errs []error
	if fs.NArg() > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q", fs.Arg(0)))
	}
	var logLevel slog.Level
	if err := logLevel.UnmarshalText([]byte(level)); err != nil {
		errs = append(errs, fmt.Errorf("--log-level: %w", err))
	}
	opts.Logger = slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: logLevel}))
	if hosts != "" {
		opts.Hosts = strings.Split(hosts, ",")
	}
	if catalog != "" {
		if opts.Catalog, err = loadCatalog(catalog); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, failOnce(&opts.Catalog, failing))
	return opts, configDir, errors.Join(errs...)
}

// failOnce changes tasks of the catalog, by default the demo's, so that each fails once in each run.
func failOnce(c *simulator.Catalog, tasks []string) error {
	if len(tasks) > 0 && len(c.Batches) == 0 {
		*c = simulator.DefaultCatalog()
	}
	var errs []error
	for _, name := range tasks {
		found := false
		for _, b := range c.Batches {
			for i := range b.Tasks {
				if name == b.Code+"/"+b.Tasks[i].Code {
					b.Tasks[i].FailTimes, found = 1, true
				}
			}
		}
		if !found {
			errs = append(errs, fmt.Errorf("--fail-once: the catalog has no task %q", name))
		}
	}
	return errors.Join(errs...)
}

// printCatalog lists what the demo's tenant has. How each of it fails is in its code, or said beside it.
func printCatalog(w io.Writer, c simulator.Catalog) {
	fmt.Fprintln(w, "\nthe demo's tenant, which --catalog replaces:")
	line := func(kind, code, does string) {
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %-10s %-22s %s", kind, code, does), " "))
	}
	for _, b := range c.Batches {
		line("batch", b.Code, b.Does)
	}
	for _, g := range c.Groups {
		line("group", g.Code, strings.Join(g.Batches, ", "))
	}
	for _, r := range c.Reports {
		line("report", r.Code, "")
	}
	for _, m := range c.Migrations {
		line("migration", m.Code, m.Kind)
	}
	fmt.Fprintln(w, "\nfaults of a catalog's tasks, reports and migrations:\n"+
		"  outcome: fail          it fails every time; a task also: abort, held, hang\n"+
		"  fail_times: 2          it fails twice, then succeeds")
}

func loadCatalog(path string) (simulator.Catalog, error) {
	f, err := os.Open(path)
	if err != nil {
		return simulator.Catalog{}, fmt.Errorf("--catalog: %w", err)
	}
	defer func() { _ = f.Close() }()
	return simulator.LoadCatalog(f)
}

// healthcheck does not verify the certificate: it sends no secret, and only checks that the simulator responds.
func healthcheck(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: simulator healthcheck URL")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(args[0], "/")+"/healthz", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s responded %s", args[0], resp.Status)
	}
	return nil
}
