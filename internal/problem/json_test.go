package problem

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type decoded struct {
	Text  string          `json:"text"`
	Count int             `json:"count"`
	Part  float64         `json:"part"`
	Yes   bool            `json:"yes"`
	List  []string        `json:"list"`
	Inner struct{ N int } `json:"inner"`
	At    time.Time       `json:"at"`
}

func decodeStrictly(text string) error {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	return JSON(decoder.Decode(new(decoded)))
}

func TestJSON_plainWords(t *testing.T) {
	for text, want := range map[string]string{
		`{"text": 7}`:           "text: must be a text, not a number",
		`{"text": ["a"]}`:       "text: must be a text, not a list",
		`{"count": "2"}`:        "count: must be a whole number, not a text",
		`{"count": 1.5}`:        "count: must be a whole number, not 1.5",
		`{"part": {}}`:          "part: must be a number, not an object",
		`{"yes": "true"}`:       "yes: must be true or false, not a text",
		`{"list": "a"}`:         "list: must be a list, not a text",
		`{"list": [true]}`:      "list: must be a text, not true or false",
		`{"inner": 3}`:          "inner: must be an object, not a number",
		`{"inner": {"N": "3"}}`: "inner.N: must be a whole number, not a text",
		`{"at": "6 o'clock"}`:   `6 o'clock is not a time such as 2026-10-31T06:30:00Z`,
		`{"txet": "a"}`:         "txet: there is no such field",
		`[]`:                    "must be an object, not a list",
		`"text"`:                "must be an object, not a text",
		`{"text": "a",}`:        "is not JSON: invalid character '}' looking for beginning of object key string, after 14 bytes",
		``:                      "is not JSON: it ends too early",
		`{"text": `:             "is not JSON: it ends too early",
	} {
		require.EqualError(t, decodeStrictly(text), want, text)
	}
	require.NoError(t, decodeStrictly(`{"text": "a", "count": 2}`))
	other := errors.New("the disk is full")
	require.Equal(t, other, JSON(other))
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"count": 1e99}`, `{"inner": [1]}`, `{"at": 1}`, "\xff", `nul`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := decodeStrictly(text); err != nil {
			require.NotContains(t, err.Error(), "Go ")
			require.NotContains(t, err.Error(), "json:")
		}
	})
}
