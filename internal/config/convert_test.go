package config

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// Every key arrives, in the field of its own name and no other. What the clients take no part in is named.
func TestConvert_everyFieldArrives(t *testing.T) {
	arrives(t, Connection.Client, "Rate", "PARHosts", "Transfer", "ScanAfterUpload")
	arrives(t, Store.settings)
	arrives(t, Channel.channel)
}

func arrives[From, To any](t *testing.T, convert func(From) To, except ...string) {
	t.Helper()
	for _, field := range reflect.VisibleFields(reflect.TypeFor[From]()) {
		var from, none From
		fill(t, reflect.ValueOf(&from).Elem().FieldByIndex(field.Index))
		want := []string{field.Name}
		if slices.Contains(except, field.Name) {
			want = nil
		}
		assert.Equal(t, want, filled(convert(from), convert(none)), "%T.%s", from, field.Name)
	}
}

// fill gives a field some value.
func fill(t *testing.T, field reflect.Value) {
	t.Helper()
	for _, some := range []any{
		"text", true, 1.5, int64(7), time.Minute, Secret{value: "secret"}, []string{"text"},
		map[string]string{"name": "text"}, Transfer{Parallel: 1},
	} {
		if value := reflect.ValueOf(some); value.Type() == field.Type() {
			field.Set(value)
			return
		}
	}
	t.Fatalf("a value of type %s is missing here", field.Type())
}

// filled names the fields that have another value than without any setting.
func filled(converted, without any) (names []string) {
	value, none := reflect.ValueOf(converted), reflect.ValueOf(without)
	for _, field := range reflect.VisibleFields(value.Type()) {
		if !reflect.DeepEqual(value.FieldByIndex(field.Index).Interface(), none.FieldByIndex(field.Index).Interface()) {
			names = append(names, field.Name)
		}
	}
	return names
}
