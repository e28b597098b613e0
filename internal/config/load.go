package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"

	"github.com/pbsmflow/pbsmflow/internal/notify"
	"github.com/pbsmflow/pbsmflow/internal/problem"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

const defaultPath = "pbsm.yaml"

var sections = []string{"connections", "stores", "notifications", "worker", "calendars", "encryption", "commands", "console"}

// ErrNone says that there is neither a file nor a variable.
var ErrNone = errors.New("there is no configuration: give --config FILE, set PBSM_CONFIG, or write ./" + defaultPath)

// Load reads the configuration: from path, else from the file that PBSM_CONFIG names, else from ./pbsm.yaml.
// env, in the form of os.Environ, overrides the file; without path and PBSM_CONFIG the file may be missing.
// Unknown keys are problems. The error names every problem with its key, including secrets that cannot be
// read, and contains no secret.
func Load(path string, env []string) (*Config, error) {
	l, err := open(path, env)
	if err != nil {
		return nil, err
	}
	cfg := l.decode()
	v := l.checker()
	v.config(cfg)
	if err := l.err(v.List); err != nil {
		return nil, err
	}
	return cfg, nil
}

// LoadWorker reads the settings of the worker and no secrets. Without a configuration they are the defaults, without
// a folder of pipelines.
func LoadWorker(path string, env []string) (Worker, error) {
	cfg := defaults()
	l, err := open(path, env)
	if errors.Is(err, ErrNone) {
		cfg.Worker.Pipelines = ""
		return cfg.Worker, nil
	}
	if err != nil {
		return Worker{}, err
	}
	l.into(&cfg.Worker, l.k.Raw()["worker"], "worker")
	v := l.checker()
	v.worker(&cfg.Worker)
	return cfg.Worker, l.err(v.List)
}

// LoadStores reads the stores, with their secrets and no others.
func LoadStores(path string, env []string) (map[string]stores.Settings, error) {
	l, err := open(path, env)
	if err != nil {
		return nil, err
	}
	cfg := &Config{Stores: l.stores(l.k.Raw())}
	v := l.checker()
	each(v, "stores", cfg.Stores, v.store)
	return cfg.StoreSettings(), l.err(v.List)
}

// ConnectionNames are the names of the configured connections, in order. It reads nothing else, so that it
// works without the worker's secrets. It is empty if the configuration cannot be read.
func ConnectionNames(path string, env []string) []string {
	l, err := open(path, env)
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(l.section(l.k.Raw(), "connections")))
}

// TakesGroupDate reports whether a connection's tenant takes one as-of date for a whole batch group. Like
// ConnectionNames it reads nothing else, and is false if the configuration cannot be read.
func TakesGroupDate(path string, env []string, connection string) bool {
	l, err := open(path, env)
	return err == nil && l.k.Bool("connections."+connection+".group_date")
}

// loader reads the file and the variables that override it.
type loader struct {
	problem.List

	k        *koanf.Koanf
	env      map[string]string
	file     string
	folder   string
	required bool // the file was named, so it must exist
}

func open(path string, env []string) (*loader, error) {
	l := &loader{k: koanf.New("."), env: variables(env)}
	l.file, l.required = l.find(path)
	var err error
	if l.folder, err = filepath.Abs(filepath.Dir(l.file)); err != nil {
		return nil, err
	}
	if err := l.readFile(); err != nil {
		return nil, err
	}
	l.override()
	return l, nil
}

// checker checks what could be decoded.
func (l *loader) checker() *checker {
	return &checker{folder: l.folder, env: l.env, known: l.List}
}

// err is the loader's own problems and more, sorted by key.
func (l *loader) err(more problem.List) error {
	all := slices.Concat(l.List, more)
	if len(all) == 0 {
		return nil
	}
	all.Sort()
	return fmt.Errorf("the configuration (%s) cannot be used:\n%w", l.file, all)
}

func variables(env []string) map[string]string {
	found := map[string]string{}
	for _, entry := range env {
		if name, value, ok := strings.Cut(entry, "="); ok {
			found[name] = value
		}
	}
	return found
}

func (l *loader) find(path string) (string, bool) {
	if path == "" {
		path = l.env["PBSM_CONFIG"]
	}
	if path == "" {
		return defaultPath, false
	}
	return path, true
}

func (l *loader) readFile() error {
	err := l.k.Load(file.Provider(l.file), parser{})
	var types *yaml.TypeError
	var unread *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist) && !l.required:
		return l.withoutFile()
	case errors.As(err, &types):
		return fmt.Errorf("the configuration (%s) is not YAML with unique keys%s", l.file, repeatedKeys(types))
	case errors.As(err, &unread):
		return fmt.Errorf("read the configuration: %w", err)
	}
	return fmt.Errorf("the configuration (%s) is not YAML: %s", l.file, syntaxError(err))
}

// parser reads YAML, but leaves dates as they are written: a text key may look like one.
type parser struct{ koanf.Parser }

func (parser) Unmarshal(text []byte) (values map[string]any, err error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil || document.IsZero() {
		return nil, err
	}
	keepDates(&document)
	return values, document.Decode(&values)
}

func keepDates(node *yaml.Node) {
	if node.ShortTag() == "!!timestamp" {
		node.Tag = "!!str"
	}
	for _, child := range node.Content {
		keepDates(child)
	}
}

func (l *loader) withoutFile() error {
	for name := range l.env {
		if l.keyOf(name) != nil {
			return nil
		}
	}
	return ErrNone
}

// The YAML parser's messages may quote values, and so secrets. Only those that match are repeated: they quote
// one character at most, or a key.
var (
	harmlessMessage = regexp.MustCompile("^yaml: (line \\d+: ([^'\"`]|'.')*|[A-Za-z0-9 -]+)$")
	repeatedKey     = regexp.MustCompile(`^line \d+: mapping key "[^"]*" already defined at line \d+$`)
)

func syntaxError(err error) string {
	if found := harmlessMessage.FindStringSubmatch(err.Error()); found != nil {
		return found[1]
	}
	return "a value is malformed; a text that begins with *, & or ! needs quotes"
}

func repeatedKeys(err *yaml.TypeError) string {
	text := ""
	for _, message := range err.Errors {
		if repeatedKey.MatchString(message) {
			text += "\n" + message
		}
	}
	return text
}

// keyOf is the key that a variable overrides, nil if it is not an override.
func (l *loader) keyOf(variable string) []string {
	rest, ok := strings.CutPrefix(variable, "PBSM_")
	key := strings.Split(strings.ToLower(rest), "__")
	if !ok || len(key) < 2 || !slices.Contains(sections, key[0]) {
		return nil
	}
	section, named := key[0], 1
	switch section {
	case "worker", "console":
		return key
	case "encryption", "commands":
		section, named = section+".keys", 2
	}
	l.spell(variable, key, section, named)
	if key[0] == "connections" && len(key) == 4 && key[2] == "extra_headers" {
		l.spell(variable, key, strings.Join(key[:3], "."), 3)
	}
	return key
}

// spell replaces a part of a key by the name in that section which it stands for, if there is one.
func (l *loader) spell(variable string, key []string, section string, part int) {
	if part >= len(key) {
		return
	}
	names := slices.DeleteFunc(l.k.MapKeys(section), func(name string) bool {
		return strings.ToLower(strings.ReplaceAll(name, "-", "_")) != key[part]
	})
	if len(names) > 1 {
		l.Addf(variable, "is ambiguous: it matches %s; rename one", strings.Join(names, " and "))
	}
	if len(names) > 0 {
		key[part] = names[0]
	}
}

func (l *loader) override() {
	from := map[string]string{}
	for _, variable := range slices.Sorted(maps.Keys(l.env)) {
		parts := l.keyOf(variable)
		if parts == nil {
			continue
		}
		if slices.Contains(parts, "") {
			l.Add(variable, `has an empty level; write "__" once between two levels`)
			continue
		}
		var value any = l.env[variable]
		last := len(parts) - 1
		if isSource(parts) {
			value = map[string]any{parts[last]: value} // the source of a secret replaces whatever is in the file
			parts = parts[:last]
		}
		key := strings.Join(parts, ".")
		if other, ok := from[key]; ok {
			l.Addf(key, "is set by both %s and %s", other, variable)
			continue
		}
		from[key] = variable
		l.k.Delete(key)
		if err := l.k.Set(key, value); err != nil {
			l.Addf(key, "%s cannot be applied", variable)
		}
	}
}

// isSource reports whether a key says where a secret comes from.
func isSource(parts []string) bool {
	last := len(parts) - 1
	if parts[last] != "file" && parts[last] != "env" {
		return false
	}
	switch parts[0] {
	case "worker":
		return false
	case "console":
		return parts[last-1] == "session_key" || parts[last-1] == "client_secret"
	}
	return last == 3
}

// decode decodes each entry on its own: for one wrong value the library would drop a whole connection, and
// with it the entry's other problems.
func (l *loader) decode() *Config {
	cfg := defaults()
	raw := l.k.Raw()
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		if !slices.Contains(sections, key) {
			l.Add(key, "unknown key")
		}
	}
	for name, value := range l.section(raw, "connections") {
		c := Connection{Transfer: transferDefaults()}
		l.into(&c, withDefaults(value), "connections."+name)
		cfg.Connections[name] = c
	}
	cfg.Stores = l.stores(raw)
	for name, value := range l.section(raw, "notifications") {
		var c Channel
		l.namesConnections(value, "notifications."+name)
		l.into(&c, value, "notifications."+name)
		if c.On == nil {
			c.On = notify.DefaultEvents()
		}
		cfg.Notifications[name] = c
	}
	cfg.Worker.TemporalUI = l.env["TEMPORAL_UI"]
	l.calendars(&cfg, raw)
	l.into(&cfg.Encryption, raw["encryption"], "encryption")
	l.into(&cfg.Commands, raw["commands"], "commands")
	l.console(&cfg.Console, raw)
	l.into(&cfg.Worker, raw["worker"], "worker")
	return &cfg
}

func (l *loader) stores(raw map[string]any) map[string]Store {
	found := map[string]Store{}
	for name, value := range l.section(raw, "stores") {
		var s Store
		l.into(&s, value, "stores."+name)
		found[name] = s
	}
	return found
}

func (l *loader) console(c *Console, raw map[string]any) {
	section, _ := raw["console"].(map[string]any)
	roles, _ := section["roles"].([]any)
	for i, role := range roles {
		l.namesConnections(role, fmt.Sprintf("console.roles.%d", i))
	}
	l.into(c, raw["console"], "console")
}

// namesConnections refuses a list of connections that is written out and names none, also one whose last line was
// commented out: without the key they are all.
func (l *loader) namesConnections(entry any, key string) {
	keys, _ := entry.(map[string]any)
	value, written := keys["connections"]
	list, isList := value.([]any)
	if written && (value == nil || isList && len(list) == 0) {
		l.Add(key+".connections", "names no connection; without the key they are all")
	}
}

func (l *loader) section(raw map[string]any, name string) map[string]any {
	section, ok := raw[name].(map[string]any)
	if !ok && raw[name] != nil {
		l.Add(name, "must be keys and values")
	}
	return section
}

func (l *loader) into(target, value any, key string) {
	if _, ok := value.(map[string]any); !ok && value != nil {
		l.Add(key, "must be keys and values")
		return
	}
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:      target,
		TagName:     "koanf",
		ErrorUnused: true,
		MatchName:   func(key, field string) bool { return key == field },
		DecodeHook:  mapstructure.DecodeHookFuncValue(convert),
		RootName:    key,
	})
	if err == nil {
		err = decoder.Decode(value)
	}
	l.describe(key, err)
}

// describe turns the decoder's errors into problems, without the values.
func (l *loader) describe(key string, err error) {
	switch e := err.(type) { //nolint:errorlint // it unwraps step by step
	case nil:
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			l.describe(key, one)
		}
	case *mapstructure.DecodeError:
		l.describe(strings.NewReplacer("[", ".", "]", "").Replace(e.Name()), e.Unwrap())
	case *mapstructure.UnconvertibleTypeError:
		l.Addf(key, "must be %s", wanted(e.Expected.Type()))
	default:
		if inner := errors.Unwrap(err); inner != nil {
			l.describe(key, inner)
			return
		}
		unknown, ok := strings.CutPrefix(err.Error(), "has invalid keys: ")
		if !ok {
			l.Add(key, err.Error())
			return
		}
		for name := range strings.SplitSeq(unknown, ", ") {
			l.Add(key+"."+name, "unknown key")
		}
	}
}

func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text; put a number in quotes"
	case reflect.Bool:
		return "true or false"
	case reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	}
	return "keys and values"
}

// convert converts values of the file and texts of the environment to the types of the configuration. Its
// errors never contain the value.
func convert(from, to reflect.Value) (any, error) {
	data := from.Interface()
	text, isText := data.(string)
	switch to.Interface().(type) {
	case Secret:
		return parseSecret(data)
	case time.Duration:
		value, err := time.ParseDuration(text)
		if err != nil {
			return nil, errors.New("must be a duration such as 500ms, 30s or 2m")
		}
		return value, nil
	}
	if number, ok := data.(float64); ok && to.Kind() == reflect.Int64 && number != math.Trunc(number) {
		return nil, errors.New("must be a whole number")
	}
	if !isText {
		return data, nil
	}
	var value any = text
	var err error
	switch to.Kind() {
	case reflect.Bool:
		value, err = strconv.ParseBool(text)
	case reflect.Int64:
		value, err = strconv.ParseInt(text, 10, 64)
	case reflect.Float64:
		value, err = strconv.ParseFloat(text, 64)
	case reflect.Slice:
		value = strings.Split(text, ",")
	case reflect.Struct, reflect.Map:
		err = strconv.ErrSyntax
	}
	if err != nil {
		return nil, fmt.Errorf("must be %s", wanted(to.Type()))
	}
	return value, nil
}
