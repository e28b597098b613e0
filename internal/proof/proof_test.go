package proof

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

var (
	now   = time.Date(2026, 10, 31, 1, 50, 0, 123e6, time.UTC)
	valid = Claims{
		Who:      "carol",
		Groups:   []string{"ops"},
		Audience: []string{"close/prod/nightly/2026-10-31", "batch/prod/ALLOC/2026-10-31"},
		Statement: Statement{
			Command: "decide",
			Step:    "allocate",
			Choice:  "adopt",
			RunID:   "ALLOC_1",
			Why:     "seen in the service",
		},
	}
	expected = Expected{
		WorkflowID: "close/prod/nightly/2026-10-31",
		Since:      now.Add(-time.Hour),
		HasSteps:   true,
		By:         "carol",
		Statement:  valid.Statement,
	}
)

// pair returns a signer with a fixed clock, and the verifier of its key.
func pair(t testing.TB) (*Signer, *Verifier) {
	t.Helper()
	private, public, err := NewKey()
	require.NoError(t, err)
	signer, err := NewSigner(private)
	require.NoError(t, err)
	signer.now = func() time.Time { return now }
	key, err := ParsePublicKey(public)
	require.NoError(t, err)
	require.Equal(t, signer.PublicKey(), key)
	return signer, NewVerifier(map[string]ed25519.PublicKey{"console": key})
}

func TestVerify_acceptsWhatWasSigned(t *testing.T) {
	signer, verifier := pair(t)
	token, err := signer.Sign(valid)
	require.NoError(t, err)
	claims, err := verifier.Verify(token, now.Add(30*time.Second), expected)
	require.NoError(t, err)
	require.Equal(t, "carol", claims.Who)
	require.Equal(t, []string{"ops"}, claims.Groups)
	require.NotEmpty(t, claims.ID)
	require.True(t, claims.IssuedAt.Equal(now))

	child := expected // what the close forwards the command to does not know the step
	child.WorkflowID, child.Step, child.HasSteps = valid.Audience[1], "", false
	_, err = verifier.Verify(token, now, child)
	require.NoError(t, err)

	again, err := signer.Sign(valid)
	require.NoError(t, err)
	require.NotEqual(t, token, again, "each proof has an id of its own")
}

func TestVerify_refusesAnotherCommand(t *testing.T) {
	signer, verifier := pair(t)
	extend := valid
	extend.Until = "2026-10-31T06:30:00-04:00"
	token, err := signer.Sign(extend)
	require.NoError(t, err)
	for _, c := range []struct {
		name   string
		change func(*Expected)
		want   string
	}{
		{"another workflow", func(e *Expected) { e.WorkflowID = "close/prod/nightly/2026-11-01" }, "workflow: the proof is for close/"},
		{"another command", func(e *Expected) { e.Command = "skip" }, `command: the proof is for "decide", not for "skip"`},
		{"another step", func(e *Expected) { e.Step = "profit" }, `step: the proof is for "allocate", not for "profit"`},
		{"another choice", func(e *Expected) { e.Choice = "nothing_started" }, "choice: "},
		{"another run", func(e *Expected) { e.RunID = "ALLOC_2" }, "run_id: "},
		{"another reason", func(e *Expected) { e.Why = "because" }, "why: "},
		{"another name", func(e *Expected) { e.By = "alice" }, `by: the proof is for "carol", not for "alice"`},
		{"another time", func(e *Expected) { e.Until = "2026-10-31T07:30:00-04:00" }, "until: "},
		{"another question", func(e *Expected) { e.Asked = now }, "asked: "},
		{"a time without a date", func(e *Expected) { e.Until = "06:30" }, "until: "},
		{"other steps", func(e *Expected) { e.From = []string{"ledger"} }, "from: "},
		{"only other steps", func(e *Expected) { e.Only = []string{"ledger"} }, "only: "},
		{"another input", func(e *Expected) { e.Input = "00" }, "input: "},
		{"an earlier run of the workflow", func(e *Expected) { e.Since = now.Add(time.Second) }, "before this run began"},
	} {
		want := expected
		want.Until = "2026-10-31T10:30:00Z" // the same moment in another zone
		_, err := verifier.Verify(token, now, want)
		require.NoError(t, err)
		c.change(&want)
		_, err = verifier.Verify(token, now, want)
		require.ErrorContains(t, err, c.want, c.name)
	}
}

func TestVerify_comparesEveryField(t *testing.T) {
	for i := range reflect.TypeFor[Statement]().NumField() {
		field := reflect.TypeFor[Statement]().Field(i)
		other := Expected{WorkflowID: valid.Audience[0], HasSteps: true, Statement: valid.Statement}
		switch value := reflect.ValueOf(&other.Statement).Elem().Field(i); value.Interface().(type) {
		case string:
			value.SetString("another")
		case []string:
			value.Set(reflect.ValueOf([]string{"another"}))
		case time.Time:
			value.Set(reflect.ValueOf(now))
		default:
			t.Fatalf("%s is a %s: say here what another value is", field.Name, field.Type)
		}
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		require.ErrorContains(t, valid.matches(other), key+": the proof is for")
	}
}

func TestVerify_refusesOutOfTime(t *testing.T) {
	signer, verifier := pair(t)
	token, err := signer.Sign(valid)
	require.NoError(t, err)
	for offset, want := range map[time.Duration]string{
		-Skew:                          "",
		-Skew - time.Millisecond:       "from the future",
		Validity + Skew:                "",
		Validity + Skew + time.Second:  "expired at",
		24 * 365 * time.Hour:           "expired at",
		-24 * 365 * 50 * time.Hour / 2: "from the future",
	} {
		_, err := verifier.Verify(token, now.Add(offset), expected)
		if want == "" {
			require.NoError(t, err, offset)
		} else {
			require.ErrorContains(t, err, want, offset)
		}
	}
}

// forge makes a token in any way that the library allows, and some that it does not.
func forge(t testing.TB, algorithm jose.SignatureAlgorithm, key any, options *jose.SignerOptions, payload []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	require.NoError(t, err)
	signed, err := signer.Sign(payload)
	require.NoError(t, err)
	text, err := signed.CompactSerialize()
	require.NoError(t, err)
	return text
}

func TestVerify_refusesForgeries(t *testing.T) {
	signer, verifier := pair(t)
	token, err := signer.Sign(valid)
	require.NoError(t, err)
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	encode := base64.RawURLEncoding.EncodeToString
	id := KeyID(signer.PublicKey())
	other, _ := pair(t)
	_, ours, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	header := func(more string) string { return encode([]byte(`{"alg":"none","kid":"` + id + `"` + more + `}`)) }
	changed := []byte(strings.Replace(string(payload), "carol", "alice", 1))
	long := valid
	long.Why = strings.Repeat("x", MaxSize)
	otherKey, err := other.Sign(valid)
	require.NoError(t, err)
	typed := func() *jose.SignerOptions { return (&jose.SignerOptions{}).WithType(tokenType) }
	longer, err := json.Marshal(Claims{Who: "carol", Audience: valid.Audience, Statement: Statement{Command: "decide", Why: "x"}, ID: "1",
		IssuedAt: Instant{now}, Expires: Instant{now.Add(time.Hour)}})
	require.NoError(t, err)
	private := jose.JSONWebKey{Key: ours, KeyID: id}
	for name, forged := range map[string]string{
		"empty":                     "",
		"no JWS":                    "carol",
		"two parts":                 parts[0] + "." + parts[1],
		"alg none":                  header("") + "." + parts[1] + ".",
		"alg none with a signature": header("") + "." + parts[1] + "." + parts[2],
		"alg NONE":                  encode([]byte(`{"alg":"NONE","kid":"`+id+`"}`)) + "." + parts[1] + ".",
		"HS256 with the public key": forge(t, jose.HS256, jose.JSONWebKey{Key: []byte(signer.PublicKey()), KeyID: id}, typed(), payload),
		"another key":               otherKey,
		"another key with our id":   forge(t, jose.EdDSA, private, typed(), payload),
		"embedded key":              forge(t, jose.EdDSA, ours, &jose.SignerOptions{EmbedJWK: true}, payload),
		"changed name":              parts[0] + "." + encode(changed) + "." + parts[2],
		"changed signature":         parts[0] + "." + parts[1] + "." + encode(make([]byte, 64)),
		"signature of zero length":  parts[0] + "." + parts[1] + ".",
		"too large":                 strings.Repeat("a", MaxSize+1),
		"JSON serialization":        `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
	} {
		_, err := verifier.Verify(forged, now, expected)
		require.Error(t, err, name)
	}
	// What only the holder of the key could make is refused as well, where it is not a command of ours.
	sign := func(options *jose.SignerOptions, payload []byte) string {
		return forge(t, jose.EdDSA, jose.JSONWebKey{Key: signer.key, KeyID: id}, options, payload)
	}
	for name, own := range map[string]string{
		"another type":    sign((&jose.SignerOptions{}).WithType("JWT"), payload),
		"another header":  sign(typed().WithHeader("jku", "https://evil.example/keys"), payload),
		"unknown claims":  sign(typed(), []byte(`{"sub":"carol","admin":true}`)),
		"no claims":       sign(typed(), []byte(`{}`)),
		"two documents":   sign(typed(), append(append([]byte{}, payload...), payload...)),
		"longer validity": sign(typed(), longer),
	} {
		_, err := verifier.Verify(own, now, expected)
		require.Error(t, err, name)
	}
	_, err = signer.Sign(long)
	require.ErrorContains(t, err, "bytes, more than")
	_, err = NewVerifier(nil).Verify(token, now, expected)
	require.ErrorContains(t, err, "not in commands.keys")
}

func TestSign_refusesWhatIsIncomplete(t *testing.T) {
	signer, _ := pair(t)
	for want, change := range map[string]func(*Claims){
		"no who":        func(c *Claims) { c.Who = " " },
		"no command":    func(c *Claims) { c.Command = "" },
		"no why":        func(c *Claims) { c.Why = "" },
		"no audience":   func(c *Claims) { c.Audience = nil },
		"point in time": func(c *Claims) { c.Until = "06:30" },
	} {
		c := valid
		change(&c)
		_, err := signer.Sign(c)
		require.ErrorContains(t, err, want)
	}
}

func TestParsePublicKey_refusals(t *testing.T) {
	private, _, err := NewKey()
	require.NoError(t, err)
	for text, want := range map[string]string{
		"":              "no Ed25519 public key",
		"nonsense!":     "must be the public key",
		string(private): "is a private key",
		"bm9uc2Vuc2U=":  "no Ed25519 public key",
	} {
		_, err := ParsePublicKey(text)
		require.ErrorContains(t, err, want)
	}
	_, err = NewSigner([]byte("nonsense"))
	require.ErrorContains(t, err, "must be a private key")
}

func FuzzVerify(f *testing.F) {
	signer, verifier := pair(f)
	token, err := signer.Sign(valid)
	require.NoError(f, err)
	f.Add(token)
	f.Add(strings.ToUpper(token))
	f.Add("..")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, text string) {
		claims, err := verifier.Verify(text, now, expected)
		if err == nil && claims.Who != valid.Who { // base64 has more than one spelling of the same bytes
			t.Fatalf("accepted: %s", text)
		}
	})
}
