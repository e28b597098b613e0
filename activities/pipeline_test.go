package activities

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestADefinitionIsTextOrAnObject(t *testing.T) {
	for _, c := range []struct{ definition, want string }{
		{`{"name": "n"}`, `{"name": "n"}`},
		{`"name: n\n"`, "name: n\n"},
	} {
		text, err := definitionText(json.RawMessage(c.definition))
		require.NoError(t, err)
		require.Equal(t, c.want, string(text))
	}
}
