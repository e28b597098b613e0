package activities

import (
	"context"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/notify"
)

// An activity that is added to the others, and needs a connection, does not go to a worker that does not have it.
func TestEveryInputWithAConnectionGoesToItsQueue(t *testing.T) {
	t.Parallel()
	elsewhere := []any{PreparePipelineInput{}, ResolveConnectionInput{}, PlanNightInput{}, notify.Message{}} // what needs none, but asks about it
	found := 0
	acts := reflect.TypeFor[*Activities]()
	for i := range acts.NumMethod() {
		method := acts.Method(i).Type
		if method.NumIn() != 3 || method.In(1) != reflect.TypeFor[context.Context]() {
			continue
		}
		input := reflect.Zero(method.In(2)).Interface()
		_, names := method.In(2).FieldByName("Connection")
		for _, e := range elsewhere {
			names = names && reflect.TypeOf(e) != method.In(2)
		}
		require.Equal(t, names, NeedsConnection(input), "%s", acts.Method(i).Name)
		found++
	}
	require.Greater(t, found, 20)
}
