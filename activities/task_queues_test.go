package activities

import (
	"context"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/notify"
)

// A new activity that needs a connection must not be executed by a worker without that connection.
func TestNeedsConnection_coversEveryActivity(t *testing.T) {
	t.Parallel()
	exempt := []any{PreparePipelineInput{}, ResolveConnectionInput{}, PlanNightInput{}, notify.Message{}} // these name a connection, but do not use it
	found := 0
	acts := reflect.TypeFor[*Activities]()
	for i := range acts.NumMethod() {
		method := acts.Method(i).Type
		if method.NumIn() != 3 || method.In(1) != reflect.TypeFor[context.Context]() {
			continue
		}
		input := reflect.Zero(method.In(2)).Interface()
		_, named := method.In(2).FieldByName("Connection")
		for _, e := range exempt {
			named = named && reflect.TypeOf(e) != method.In(2)
		}
		require.Equal(t, named, NeedsConnection(input), "%s", acts.Method(i).Name)
		found++
	}
	require.Greater(t, found, 20)
}

func TestResolveConnection_emptyFileIsNotFound(t *testing.T) {
	a, dir := withInbox(t)
	a.connections, a.channels = map[string]*connection{"prod": {}}, &notify.Channels{}
	in := ResolveConnectionInput{Connection: "prod", Lookups: Lookups{File: &StatFileInput{File: "inbox/gl.csv", MinSize: 2}}}
	for text, found := range map[string]bool{"": false, "A": false, "A\n": true} {
		put(t, dir, map[string]string{"gl.csv": text})
		resolved, err := a.ResolveConnection(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, found, resolved.File != nil, "%q", text)
	}
}
