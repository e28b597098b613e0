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
