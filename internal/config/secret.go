package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

const redacted = "[redacted]"

// Secret is a text that only [Secret.Expose] returns: printed, logged or encoded in any way it is
// "[redacted]".
//
// In the configuration it is a text, {env: NAME} or {file: PATH}.
type Secret struct {
	value     string
	env, file string // the source of the value, until it is read
}

// Expose returns the value.
func (s Secret) Expose() string { return s.value }

func (s Secret) String() string { return redacted }

func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

const maxSecret = 64 << 10 // bytes of a secret's file

// parseSecret reads a secret's value or source from the configuration. Its error does not contain the value.
func parseSecret(from any) (Secret, error) {
	switch value := from.(type) {
	case string:
		return Secret{value: value}, nil
	case map[string]any:
		env, isEnv := value["env"].(string)
		file, isFile := value["file"].(string)
		if len(value) == 1 && (isEnv && env != "" || isFile && file != "") {
			return Secret{env: env, file: file}, nil
		}
	}
	return Secret{}, errors.New("must be a text (a number in quotes), {env: NAME} or {file: PATH}")
}

// read gets the value from its source. Relative paths start from folder.
func (s Secret) read(folder string, env map[string]string) (Secret, error) {
	var err error
	source := ""
	switch {
	case s.env != "":
		source = "the environment variable " + s.env + " "
		if s.value = env[s.env]; s.value == "" {
			err = fmt.Errorf("the environment variable %s is not set", s.env)
		}
	case s.file != "":
		path := within(folder, s.file)
		source = path + " "
		s.value, err = readSecret(path)
	case s.value == "":
		err = errors.New("is missing")
	}
	if err == nil {
		err = singleLine(source, s.value)
	}
	if err != nil {
		return Secret{}, err
	}
	return s, nil
}

// singleLine names what a secret holds beside a single line of text, without the secret.
func singleLine(source, value string) error {
	if err := problem.Text([]byte(value)); err != nil {
		return fmt.Errorf("%s%w", source, err)
	}
	switch at := strings.IndexByte(value, '\r'); {
	case strings.Contains(value, "\n"):
		return errors.New("must be a single line")
	case at >= 0 && at == len(value)-1:
		return fmt.Errorf("%sends with a carriage return: it was written on Windows; remove it", source)
	case at >= 0:
		return fmt.Errorf("%sholds a carriage return at position %d", source, at+1)
	}
	return nil
}

func readSecret(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err != nil {
		return "", err
	}
	value := strings.TrimRight(string(text), "\r\n")
	switch {
	case len(text) > maxSecret:
		return "", fmt.Errorf("%s is larger than 64 KiB", path)
	case value == "":
		return "", fmt.Errorf("%s is empty", path)
	}
	return value, nil
}

func within(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}
