package encryption

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"
)

const planted = "reports/2026-10-31/profitability.csv"

func key(fill byte) []byte { return bytes.Repeat([]byte{fill}, keySize) }

func ring(t testing.TB, current string, ids ...string) *Keyring {
	t.Helper()
	keys := map[string][]byte{}
	for _, id := range ids {
		keys[id] = key(id[len(id)-1])
	}
	k, err := NewKeyring(current, keys)
	require.NoError(t, err)
	return k
}

func seal(t testing.TB, k *Keyring, value any) *commonpb.Payload {
	t.Helper()
	p, err := k.DataConverter().ToPayload(value)
	require.NoError(t, err)
	return p
}

func TestEncode_namesKeyAndHidesTheRest(t *testing.T) {
	k := ring(t, "key-2", "key-1", "key-2")
	p, again := seal(t, k, planted), seal(t, k, planted)
	text, err := proto.Marshal(p)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "profitability")
	assert.NotContains(t, string(text), converter.MetadataEncodingJSON, "not even what it is")
	assert.Equal(t, "key-2", string(p.Metadata[keyIDField]))
	assert.NotEqual(t, p.Data, again.Data, "the same text twice looks different")
}

func TestKeyring_rotation(t *testing.T) {
	before := seal(t, ring(t, "key-1", "key-1"), planted)
	var text string
	require.NoError(t, ring(t, "key-2", "key-1", "key-2").DataConverter().FromPayload(before, &text))
	assert.Equal(t, planted, text)
	require.NoError(t, ring(t, "", "key-1").DataConverter().FromPayload(before, &text), "what was sealed is read after sealing was switched off")

	_, err := ring(t, "key-2", "key-2").Decode([]*commonpb.Payload{before})
	var missing *MissingKeyError
	require.ErrorAs(t, err, &missing)
	assert.Equal(t, &MissingKeyError{ID: "key-1", Has: []string{"key-2"}}, missing)
	assert.ErrorContains(t, err, `sealed with key "key-1", but the configured keys are key-2`)
	_, err = ring(t, "").Decode([]*commonpb.Payload{before})
	assert.ErrorContains(t, err, `sealed with key "key-1", but no keys are configured`)
}

func TestDecode_unsealedPayload(t *testing.T) {
	plain, err := converter.GetDefaultDataConverter().ToPayloads(planted, nil, []byte("bytes"))
	require.NoError(t, err)
	for _, k := range []*Keyring{ring(t, "key-1", "key-1"), ring(t, "")} {
		opened, err := k.Decode(plain.Payloads)
		require.NoError(t, err)
		for i := range opened {
			assert.True(t, proto.Equal(plain.Payloads[i], opened[i]))
		}
	}
	left, err := ring(t, "", "key-1").Encode(plain.Payloads)
	require.NoError(t, err)
	assert.Equal(t, plain.Payloads, left, "without a current key nothing is sealed")
}

func TestEncode_sealsOnce(t *testing.T) {
	p := seal(t, ring(t, "key-1", "key-1"), planted)
	again, err := ring(t, "key-2", "key-1", "key-2").Encode([]*commonpb.Payload{p})
	require.NoError(t, err)
	assert.Equal(t, p, again[0])
}

func TestDecode_refusesChangedPayload(t *testing.T) {
	k := ring(t, "key-1", "key-1", "key-2")
	for name, change := range map[string]func(*commonpb.Payload){
		"a bit":             func(p *commonpb.Payload) { p.Data[len(p.Data)-1] ^= 1 },
		"cut":               func(p *commonpb.Payload) { p.Data = p.Data[:11] },
		"empty":             func(p *commonpb.Payload) { p.Data = nil },
		"another key":       func(p *commonpb.Payload) { p.Metadata[keyIDField] = []byte("key-2") },
		"no key":            func(p *commonpb.Payload) { delete(p.Metadata, keyIDField) },
		"another cipher":    func(p *commonpb.Payload) { p.Metadata[cipherField] = []byte("ROT13") },
		"another's payload": func(p *commonpb.Payload) { delete(p.Metadata, cipherField) },
	} {
		t.Run(name, func(t *testing.T) {
			p := proto.Clone(seal(t, k, planted)).(*commonpb.Payload)
			change(p)
			_, err := k.Decode([]*commonpb.Payload{p})
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "profitability")
		})
	}
}

func TestDecode_authenticatesKeyID(t *testing.T) {
	same, err := NewKeyring("a", map[string][]byte{"a": key(1), "b": key(1)})
	require.NoError(t, err)
	p := seal(t, same, planted)
	p.Metadata[keyIDField] = []byte("b")
	_, err = same.Decode([]*commonpb.Payload{p})
	assert.ErrorIs(t, err, errDamaged)
}

func TestParseKey(t *testing.T) {
	got, err := ParseKey("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")
	require.NoError(t, err)
	assert.Equal(t, key(1), got)
	for _, bad := range []string{"", "AQEBAQ==", "not base64!", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQF="} {
		_, err := ParseKey(bad)
		require.ErrorContains(t, err, "openssl rand -base64 32")
		if bad != "" {
			assert.NotContains(t, err.Error(), bad)
		}
	}
}

func TestKeyring_Format_showsNoKey(t *testing.T) {
	k, err := NewKeyring("b", map[string][]byte{"a": bytes.Repeat([]byte("hunter2!"), 4), "b": key(1)})
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		assert.Equal(t, "[keys a, b]", fmt.Sprintf(verb, k))
	}
}

func TestConverters_sealErrors(t *testing.T) {
	failed := temporal.NewApplicationErrorWithCause("no such file: "+planted, "Refused", errors.New("cause: "+planted), planted)
	options := client.Options{}
	k := ring(t, "key-1", "key-1")
	k.ForClient().Apply(&options)
	failure := options.FailureConverter.ErrorToFailure(failed)
	text, err := proto.Marshal(failure)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "profitability")

	back := options.FailureConverter.FailureToError(proto.CloneOf(failure))
	assert.EqualError(t, back, "no such file: "+planted+" (type: Refused, retryable: true): cause: "+planted)

	ring(t, "key-2", "key-2").ForClient().Apply(&options)
	elsewhere := options.FailureConverter.FailureToError(proto.CloneOf(failure))
	assert.ErrorContains(t, elsewhere, `the text of the error cannot be read: the payload is sealed with key "key-1"`)
	assert.ErrorContains(t, errors.Unwrap(elsewhere), `sealed with key "key-1"`)
}

// A worker without the key must not continue a workflow.
func TestForWorker_panicsWithoutKey(t *testing.T) {
	p := seal(t, ring(t, "key-1", "key-1"), planted)
	options := client.Options{}
	ring(t, "key-1", "key-1").ForClient().Apply(&options)
	failure := options.FailureConverter.ErrorToFailure(errors.New(planted))
	details := options.FailureConverter.ErrorToFailure(temporal.NewApplicationError("plain", "x", planted))
	details.EncodedAttributes = nil
	damaged := proto.CloneOf(failure)
	damaged.EncodedAttributes.Data[0] ^= 1

	ring(t, "key-2", "key-2").ForWorker().Apply(&options)
	inWorkflow := options.DataConverter.(workflow.ContextAware).WithWorkflowContext(nil)
	missing := &MissingKeyError{ID: "key-1", Has: []string{"key-2"}}
	var text string
	assert.PanicsWithError(t, missing.Error(), func() { _ = inWorkflow.FromPayload(p, &text) })
	assert.PanicsWithError(t, missing.Error(), func() { _ = inWorkflow.FromPayloads(&commonpb.Payloads{Payloads: []*commonpb.Payload{p}}, &text) })
	assert.PanicsWithError(t, missing.Error(), func() { _ = options.FailureConverter.FailureToError(failure) })
	var failed *temporal.ApplicationError
	require.ErrorAs(t, options.FailureConverter.FailureToError(details), &failed)
	assert.PanicsWithError(t, missing.Error(), func() { _ = failed.Details(&text) })
	assert.EqualError(t, options.DataConverter.FromPayload(p, &text), missing.Error(), "outside of a workflow it is an error")

	ring(t, "key-1", "key-1").ForWorker().Apply(&options)
	assert.ErrorContains(t, options.FailureConverter.FailureToError(damaged), "damaged", "what nobody can read holds nobody up")
}

// Opening never panics, and returns only what was sealed with its key.
func FuzzOpen(f *testing.F) {
	k := ring(f, "key-1", "key-1", "key-2")
	good := seal(f, k, planted)
	f.Add([]byte(sealedEncoding), []byte("key-1"), []byte(cipherName), good.Data)
	f.Add([]byte(sealedEncoding), []byte("key-2"), []byte(cipherName), good.Data)
	f.Add([]byte(sealedEncoding), []byte("key-1"), []byte(nil), good.Data[:12])
	f.Add([]byte("json/plain"), []byte(nil), []byte(nil), []byte(`"x"`))
	f.Fuzz(func(t *testing.T, encoding, keyID, cipher, data []byte) {
		p := &commonpb.Payload{Metadata: map[string][]byte{converter.MetadataEncoding: encoding, keyIDField: keyID, cipherField: cipher}, Data: data}
		opened, err := k.Decode([]*commonpb.Payload{p})
		switch {
		case string(encoding) != sealedEncoding:
			require.NoError(t, err)
			require.Equal(t, p, opened[0])
		case err == nil:
			require.Equal(t, good.Data, data, "nothing else was sealed")
			require.Equal(t, `"`+planted+`"`, string(opened[0].Data))
		}
		_ = k.ForClient().data.ToString(p)
	})
}

func TestErrorToFailure_invalidUTF8(t *testing.T) {
	err := temporal.NewApplicationError("no column; the header has Gr\xf6\xdfe", "X", errors.New("caused by \xe4"))
	for _, k := range []*Keyring{ring(t, ""), ring(t, "key-1", "key-1")} {
		for _, converters := range []Converters{k.ForClient(), k.ForWorker()} {
			var options client.Options
			converters.Apply(&options)
			failure := options.FailureConverter.ErrorToFailure(err)
			_, wrong := proto.Marshal(failure)
			require.NoError(t, wrong)
			assert.ErrorContains(t, options.FailureConverter.FailureToError(failure), "no column; the header has Gr\uFFFD")
		}
	}
	var options client.Options
	ring(t, "").ForWorker().Apply(&options)
	assert.Nil(t, options.FailureConverter.ErrorToFailure(nil))
}
