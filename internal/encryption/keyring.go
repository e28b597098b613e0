// Package encryption seals the payloads that Temporal stores (inputs, results, signals, memos, summaries, errors) with
// AES-256-GCM, so that they cannot be read from its database.
//
// A payload names the key that sealed it, so that keys can be changed while closes are running. A payload that is not
// sealed remains readable: it is from the time before encryption, or from the start form of the Temporal UI.
package encryption

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// Metadata of a sealed payload. The encoding and the field of the key are those of Temporal's own samples, so that
// its tools recognise it; the field of the cipher distinguishes it from later formats, and from those of others.
const (
	sealedEncoding = "binary/encrypted"
	keyIDField     = "encryption-key-id"
	cipherField    = "encryption-cipher"
	cipherName     = "AES-256-GCM"
)

const keySize = 32 // bytes

// ParseKey reads a key: 32 bytes in base64. Its error does not contain the key.
func ParseKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(key) != keySize {
		return nil, fmt.Errorf("must be %d bytes in base64, such as `openssl rand -base64 %d` prints", keySize, keySize)
	}
	return key, nil
}

// Keyring is a converter.PayloadCodec: it seals with its current key and opens with any of its keys. Without a
// current key it does not seal. It is safe for concurrent use.
type Keyring struct {
	current string
	ciphers map[string]cipher.AEAD
}

// NewKeyring returns a keyring of keys by id; each is 32 bytes. current may be empty.
func NewKeyring(current string, keys map[string][]byte) (*Keyring, error) {
	k := &Keyring{current: current, ciphers: map[string]cipher.AEAD{}}
	for id, key := range keys {
		if len(key) != keySize {
			return nil, fmt.Errorf("key %s has %d bytes, not %d", id, len(key), keySize)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		if k.ciphers[id], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, err
		}
	}
	if _, ok := k.ciphers[current]; !ok && current != "" {
		return nil, fmt.Errorf("there is no key %s", current)
	}
	return k, nil
}

// Current is the id of the key that seals; empty if nothing is sealed.
func (k *Keyring) Current() string { return k.current }

// IDs are the ids of all keys, sorted.
func (k *Keyring) IDs() []string { return slices.Sorted(maps.Keys(k.ciphers)) }

// Format shows the ids of the keys, never a key.
func (k *Keyring) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "[keys %s]", strings.Join(k.IDs(), ", "))
}

// MissingKeyError names the key that a payload needs.
type MissingKeyError struct {
	ID  string
	Has []string // the ids of the available keys, sorted
}

func (e *MissingKeyError) Error() string {
	has := "no keys are configured"
	if len(e.Has) > 0 {
		has = "the configured keys are " + strings.Join(e.Has, ", ")
	}
	return fmt.Sprintf("the payload is sealed with key %q, but %s: add the key to encryption.keys", e.ID, has)
}

// Encode implements converter.PayloadCodec. It does not seal a payload twice.
func (k *Keyring) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	if k.current == "" {
		return payloads, nil
	}
	return each(payloads, k.seal)
}

// Decode implements converter.PayloadCodec. It returns payloads that are not sealed unchanged. The error is a
// *MissingKeyError if another key is needed.
func (k *Keyring) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return each(payloads, k.open)
}

func each(
	payloads []*commonpb.Payload, change func(*commonpb.Payload) (*commonpb.Payload, error),
) ([]*commonpb.Payload, error) {
	changed := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		var err error
		if changed[i], err = change(p); err != nil {
			return payloads, err
		}
	}
	return changed, nil
}

func sealed(p *commonpb.Payload) bool {
	return string(p.GetMetadata()[converter.MetadataEncoding]) == sealedEncoding
}

func (k *Keyring) seal(p *commonpb.Payload) (*commonpb.Payload, error) {
	if sealed(p) {
		return p, nil
	}
	plain, err := proto.Marshal(p)
	if err != nil {
		return nil, err
	}
	return &commonpb.Payload{
		Metadata: map[string][]byte{
			converter.MetadataEncoding: []byte(sealedEncoding),
			keyIDField:                 []byte(k.current),
			cipherField:                []byte(cipherName),
		},
		Data: k.ciphers[k.current].Seal(nil, nil, plain, authenticated(k.current)),
	}, nil
}

// authenticated is the additional data: the payload's own metadata. A payload is not bound to its workflow, because
// the Temporal UI sends payloads to the codec server without naming their workflow, and an input may be copied to start
// another workflow.
func authenticated(keyID string) []byte {
	return []byte("pbsmflow payload\x00" + cipherName + "\x00" + keyID)
}

var errDamaged = errors.New("the sealed payload is damaged, or was sealed by other software")

func (k *Keyring) open(p *commonpb.Payload) (*commonpb.Payload, error) {
	if !sealed(p) {
		return p, nil
	}
	if name := string(p.GetMetadata()[cipherField]); name != cipherName {
		return nil, fmt.Errorf("the payload is sealed with the cipher %q; only %s is supported", name, cipherName)
	}
	id := string(p.GetMetadata()[keyIDField])
	aead, ok := k.ciphers[id]
	if !ok {
		return nil, &MissingKeyError{ID: id, Has: k.IDs()}
	}
	plain, err := aead.Open(nil, nil, p.GetData(), authenticated(id))
	if err != nil {
		return nil, fmt.Errorf("%w (key %s)", errDamaged, id)
	}
	opened := &commonpb.Payload{}
	if err := proto.Unmarshal(plain, opened); err != nil {
		return nil, errDamaged
	}
	return opened, nil
}
