package problem

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"time"
)

// JSON says in plain words why JSON could not be decoded, without the names of Go types. It returns nil for nil, and
// other errors unchanged.
func JSON(err error) error {
	var (
		list   List
		syntax *json.SyntaxError
		typed  *json.UnmarshalTypeError
		moment *time.ParseError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &typed):
		list.Addf(typed.Field, "must be %s, not %s", kindOf(typed.Type), valueOf(typed.Value))
	case errors.As(err, &syntax):
		list.Addf("", "is not JSON: %s, after %d bytes", syntax.Error(), syntax.Offset)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		list.Add("", "is not JSON: it ends too early")
	case errors.As(err, &moment):
		list.Addf("", "%s is not a time such as 2026-10-31T06:30:00Z", moment.Value)
	default:
		field, unknown := strings.CutPrefix(err.Error(), "json: unknown field ")
		if !unknown {
			return err
		}
		list.Add(strings.Trim(field, `"`), "there is no such field")
	}
	return list.Err()
}

// kindOf is what JSON calls the values of a Go type.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "an object"
}

// valueOf names a value as encoding/json describes it: "string", "number", "number 1.5", "array", "object", "bool".
func valueOf(described string) string {
	kind, rest, _ := strings.Cut(described, " ")
	names := map[string]string{"string": "a text", "array": "a list", "object": "an object", "bool": "true or false", "number": "a number"}
	switch {
	case rest != "":
		return rest
	case names[kind] != "":
		return names[kind]
	}
	return described
}
