package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"go.temporal.io/server/common/dynamicconfig"
	"go.uber.org/zap/zapcore"
)

type options struct {
	ip               net.IP
	port, uiPort     int
	db               string // "" means a temporary file
	namespaces       []string
	logLevel         zapcore.Level
	codecEndpoint    string
	searchAttributes searchAttributes
	dynamicConfig    dynamicconfig.ConfigValueMap
}

func parseOptions(args []string, usage io.Writer) (options, error) {
	attrs, err := defaultSearchAttributes()
	if err != nil {
		return options{}, err
	}
	o := options{searchAttributes: attrs}
	var dynamic dynamicconfig.YamlLoader

	flags := flag.NewFlagSet("devserver", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.TextVar(&o.ip, "ip", net.IPv4(127, 0, 0, 1), "`address` to listen on")
	flags.IntVar(&o.port, "port", 0, "gRPC `port`; 0 takes a free one")
	flags.IntVar(&o.uiPort, "ui-port", 0, "`port` of the web UI; 0 takes a free one")
	flags.StringVar(&o.db, "db", "", "SQLite `file`, created if missing; without it nothing is kept after the exit")
	flags.Func("namespace", "`name` of a namespace, repeatable; the first one is announced (default default)", func(s string) error {
		o.namespaces = append(o.namespaces, s)
		return nil
	})
	flags.TextVar(&o.logLevel, "log-level", zapcore.WarnLevel, "`level`: debug, info, warn or error")
	flags.StringVar(&o.codecEndpoint, "ui-codec-endpoint", "", "`URL` of the codec server with which the UI decodes payloads")
	flags.Func("search-attribute", "`NAME=Type` to register in addition to this project's, repeatable", o.searchAttributes.add)
	flags.Func("dynamic-config", "`KEY=VALUE` of Temporal's dynamic configuration, VALUE in YAML, repeatable", func(s string) error {
		return addDynamicConfig(&dynamic, s)
	})
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if len(o.namespaces) == 0 {
		o.namespaces = []string{"default"}
	}
	o.dynamicConfig = dynamic.Map
	return o, o.validate()
}

func (o options) validate() error {
	var errs []error
	for name, port := range map[string]int{"--port": o.port, "--ui-port": o.uiPort} {
		if port < 0 || port > 65535 {
			errs = append(errs, fmt.Errorf("%s %d: want 0 to 65535", name, port))
		}
	}
	if o.port != 0 && o.port == o.uiPort {
		errs = append(errs, fmt.Errorf("--port and --ui-port are both %d", o.port))
	}
	if slices.Contains(o.namespaces, "") {
		errs = append(errs, errors.New("--namespace: a name is empty"))
	}
	return errors.Join(errs...)
}

// addDynamicConfig checks the key and the type of the value with the server's own loader. The server itself would only
// log a warning and use its default.
func addDynamicConfig(loader *dynamicconfig.YamlLoader, pair string) error {
	key, value, ok := strings.Cut(pair, "=")
	if !ok || key == "" {
		return fmt.Errorf("want KEY=VALUE, not %q", pair)
	}
	loader.LoadValue(dynamicconfig.MakeKey(key), []byte("- value: "+value))
	return errors.Join(append(loader.Errors, loader.Warnings...)...)
}
