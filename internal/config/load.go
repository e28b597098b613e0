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
	yamlparser "github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"

	"github.com/pbsmflow/pbsmflow/internal/notify"
)

const defaultPath = "pbsm.yaml"

var sections = []string{"connections", "stores", "notifications", "worker", "calendars", "encryption"}

// ErrNone says that there is neither a file nor a variable.
var ErrNone = errors.New("there is no configuration: give --config FILE, set PBSM_CONFIG, or write ./" + defaultPath)

// Load reads the configuration: from path, else from the file that PBSM_CONFIG
// names, else from ./pbsm.yaml. env is the environment as os.Environ gives it;
// it overrides the file, and where neither path nor PBSM_CONFIG is given the
// file may be missing. Unknown keys are faults. The error names every fault
// with its key, those of secrets that cannot be read among them, and holds no
// secret.
func Load(path string, env []string) (*Config, error) {
	l, err := open(path, env)
	if err != nil {
		return nil, err
	}
	cfg := l.decode()
	l.faults = append(l.faults, cfg.finish(l.folder, l.lookup, l.failed)...)
	if err := l.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// ConnectionNames are the connections in a configuration, in order. Nothing else of it is looked
// at, so that it may be read where the worker's secrets are not; where it cannot be read, there are none.
func ConnectionNames(path string, env []string) []string {
	l, err := open(path, env)
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(l.section(l.k.Raw(), "connections")))
}

// open reads the file and what overrides it.
func open(path string, env []string) (*loader, error) {
	l := &loader{k: koanf.New("."), env: variables(env)}
	l.file, l.chosen = l.find(path)
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

func (l *loader) err() error {
	if len(l.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(l.faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return fmt.Errorf("the configuration (%s) cannot be used:\n%w", l.file, errors.Join(l.faults...))
}

type loader struct {
	k      *koanf.Koanf
	env    map[string]string
	file   string
	folder string
	chosen bool // somebody named the file, so it must exist
	faults []error
	keys   []string // of faults, so that one value is not blamed twice
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

func (l *loader) lookup(name string) (string, bool) {
	value, ok := l.env[name]
	return value, ok
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

func (l *loader) fault(key, format string, args ...any) {
	l.faults = append(l.faults, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	l.keys = append(l.keys, key)
}

// failed tells whether the key, or what it is a part of, has a fault already.
func (l *loader) failed(key string) bool {
	return slices.ContainsFunc(l.keys, func(k string) bool { return key == k || strings.HasPrefix(key, k+".") })
}

func (l *loader) readFile() error {
	err := l.k.Load(file.Provider(l.file), yamlparser.Parser())
	var faults *yaml.TypeError
	var unread *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist) && !l.chosen:
		return l.withoutFile()
	case errors.As(err, &faults):
		return fmt.Errorf("the configuration (%s) is not YAML with unique keys%s", l.file, repeatedKeys(faults))
	case errors.As(err, &unread):
		return fmt.Errorf("read the configuration: %w", err)
	}
	return fmt.Errorf("the configuration (%s) is not YAML: %s", l.file, wrongForm(err))
}

func (l *loader) withoutFile() error {
	for name := range l.env {
		if l.keyOf(name) != nil {
			return nil
		}
	}
	return ErrNone
}

// ofTheForm are messages of the parser that quote one character at most.
var ofTheForm = regexp.MustCompile("^yaml: (line \\d+: ([^'\"`]|'.')*|[A-Za-z0-9 -]+)$")

func wrongForm(err error) string {
	if found := ofTheForm.FindStringSubmatch(err.Error()); found != nil {
		return found[1]
	}
	return "a value has a form that it cannot have; a text that begins with *, & or ! needs quotes"
}

// Other messages of the parser quote values, which may be secrets.
var repeatedKey = regexp.MustCompile(`^line \d+: mapping key "[^"]*" already defined at line \d+$`)

func repeatedKeys(faults *yaml.TypeError) string {
	text := ""
	for _, fault := range faults.Errors {
		if repeatedKey.MatchString(fault) {
			text += "\n" + fault
		}
	}
	return text
}

// keyOf is the key that a variable overrides, nil when it is no override.
func (l *loader) keyOf(variable string) []string {
	rest, ok := strings.CutPrefix(variable, "PBSM_")
	key := strings.Split(strings.ToLower(rest), "__")
	if !ok || len(key) < 2 || !slices.Contains(sections, key[0]) {
		return nil
	}
	if key[0] == "worker" {
		return key
	}
	section, named := key[0], 1
	if section == "encryption" {
		section, named = "encryption.keys", 2
	}
	l.spell(variable, key, section, named)
	if key[0] == "connections" && len(key) == 4 && key[2] == "extra_headers" {
		l.spell(variable, key, strings.Join(key[:3], "."), 3)
	}
	return key
}

// spell gives a part of a key the spelling of the name in that section which it means, if there is one.
func (l *loader) spell(variable string, key []string, section string, part int) {
	if part >= len(key) {
		return
	}
	names := l.meant(section, key[part])
	if len(names) > 1 {
		l.fault(variable, "is meant for %s, and nobody can tell; give them names that differ by more", strings.Join(names, " or for "))
	}
	if len(names) > 0 {
		key[part] = names[0]
	}
}

// meant are the names of a section that a part of a variable stands for.
func (l *loader) meant(section, part string) []string {
	return slices.DeleteFunc(l.k.MapKeys(section), func(name string) bool {
		return strings.ToLower(strings.ReplaceAll(name, "-", "_")) != part
	})
}

func (l *loader) override() {
	from := map[string]string{}
	for _, variable := range slices.Sorted(maps.Keys(l.env)) {
		parts := l.keyOf(variable)
		if parts == nil {
			continue
		}
		if slices.Contains(parts, "") {
			l.fault(variable, `a level is empty; write "__" once between two levels`)
			continue
		}
		var value any = l.env[variable]
		if last := len(parts) - 1; parts[0] != "worker" && last == 3 && (parts[last] == "file" || parts[last] == "env") {
			value = map[string]any{parts[last]: value} // a secret's source replaces whatever the file says
			parts = parts[:last]
		}
		key := strings.Join(parts, ".")
		if other, ok := from[key]; ok {
			l.fault(key, "is set by both %s and %s", other, variable)
			continue
		}
		from[key] = variable
		l.k.Delete(key)
		if err := l.k.Set(key, value); err != nil {
			l.fault(key, "%s cannot be applied", variable)
		}
	}
}

// decode takes the sections apart itself: the library drops a whole connection
// for one wrong value in it, and its other faults with it.
func (l *loader) decode() *Config {
	cfg := defaults()
	raw := l.k.Raw()
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		if !slices.Contains(sections, key) {
			l.fault(key, "unknown key")
		}
	}
	for name, value := range l.section(raw, "connections") {
		c := Connection{Transfer: transferDefaults()}
		l.into(&c, withDefaults(value), "connections."+name)
		cfg.Connections[name] = c
	}
	for name, value := range l.section(raw, "stores") {
		var s Store
		l.into(&s, value, "stores."+name)
		cfg.Stores[name] = s
	}
	for name, value := range l.section(raw, "notifications") {
		var c Channel
		l.into(&c, value, "notifications."+name)
		if c.On == nil {
			c.On = notify.DefaultEvents()
		}
		cfg.Notifications[name] = c
	}
	cfg.Worker.TemporalUI = l.env["TEMPORAL_UI"]
	l.calendars(&cfg, raw)
	l.into(&cfg.Encryption, raw["encryption"], "encryption")
	l.into(&cfg.Worker, raw["worker"], "worker")
	return &cfg
}

func (l *loader) section(raw map[string]any, name string) map[string]any {
	section, ok := raw[name].(map[string]any)
	if !ok && raw[name] != nil {
		l.fault(name, "must be keys and values")
	}
	return section
}

func (l *loader) into(target, value any, key string) {
	if _, ok := value.(map[string]any); !ok && value != nil {
		l.fault(key, "must be keys and values")
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

// describe turns the decoder's errors into faults, without the values.
func (l *loader) describe(key string, err error) {
	switch e := err.(type) {
	case nil:
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			l.describe(key, one)
		}
	case *mapstructure.DecodeError:
		l.describe(strings.NewReplacer("[", ".", "]", "").Replace(e.Name()), e.Unwrap())
	case *mapstructure.UnconvertibleTypeError:
		l.fault(key, "must be %s", wanted(e.Expected.Type()))
	default:
		if inner := errors.Unwrap(err); inner != nil {
			l.describe(key, inner)
			return
		}
		unknown, ok := strings.CutPrefix(err.Error(), "has invalid keys: ")
		if !ok {
			l.fault(key, "%s", err)
			return
		}
		for name := range strings.SplitSeq(unknown, ", ") {
			l.fault(key+"."+name, "unknown key")
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

// convert gives values of the file and texts of the environment the types that
// the configuration has. Its errors never hold the value.
func convert(from, to reflect.Value) (any, error) {
	data := from.Interface()
	if day, ok := data.(time.Time); ok { // YAML takes 2026-12-24 for a time
		data = day.Format(time.DateOnly)
	}
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

func withDefaults(connection any) any {
	given, ok := connection.(map[string]any)
	if !ok && connection != nil {
		return connection
	}
	filled := connectionDefaults()
	maps.Copy(filled, given)
	return filled
}
