// Package encryption seals the payloads that Temporal keeps (inputs, results, signals, memos,
// summaries, errors) with AES-256-GCM, so that neither its database nor its operators can read them.
//
// A payload names the key that it was sealed with, so that keys can be changed while closes are
// under way. One that is not sealed stays readable: it is from before, or from the web
// interface's start form.
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

// Metadata of a sealed payload. The encoding and the name of the key's field are those of
// Temporal's own samples, so that its tools show what it is; the cipher's field tells this way
// to seal from later ones, and from other people's.
const (
	sealedEncoding = "binary/encrypted"
	keyIDField     = "encryption-key-id"
	cipherField    = "encryption-cipher"
	cipherName     = "AES-256-GCM"
)

const keySize = 32 // bytes

// ParseKey reads a key: 32 bytes in base64. The error does not hold it.
func ParseKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(key) != keySize {
		return nil, fmt.Errorf("must be %d bytes in base64, as `openssl rand -base64 %d` makes them", keySize, keySize)
	}
	return key, nil
}

// Keyring is a converter.PayloadCodec: it seals with its current key and opens with every one it
// has. Without a current key it leaves payloads as they are. It is safe for concurrent use.
type Keyring struct {
	current string
	ciphers map[string]cipher.AEAD
}

// NewKeyring makes a keyring of keys by id; each is 32 bytes. current may be empty.
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

// Current is the id of the key that seals; empty when nothing is sealed.
func (k *Keyring) Current() string { return k.current }

// IDs are the keys that open, sorted.
func (k *Keyring) IDs() []string { return slices.Sorted(maps.Keys(k.ciphers)) }

// Format shows which keys there are, never a key.
func (k *Keyring) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "[keys %s]", strings.Join(k.IDs(), ", "))
}

// MissingKeyError says which key would open a payload.
type MissingKeyError struct {
	ID  string
	Has []string // the keys that there are, sorted
}

func (e *MissingKeyError) Error() string {
	has := "there is none here"
	if len(e.Has) > 0 {
		has = "here are only " + strings.Join(e.Has, ", ")
	}
	return fmt.Sprintf("the payload is sealed with key %q, and %s: add it to encryption.keys of the configuration", e.ID, has)
}

// Encode implements converter.PayloadCodec. What is sealed already stays as it is.
func (k *Keyring) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	if k.current == "" {
		return payloads, nil
	}
	return each(payloads, k.seal)
}

// Decode implements converter.PayloadCodec. What is not sealed stays as it is. The error is a
// *MissingKeyError where another key is needed.
func (k *Keyring) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return each(payloads, k.open)
}

func each(payloads []*commonpb.Payload, change func(*commonpb.Payload) (*commonpb.Payload, error)) ([]*commonpb.Payload, error) {
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

// authenticated is the additional data: what the payload says of itself. A payload is not tied to
// its workflow. The web interface sends it to the codec server without saying whose it is, and
// copies of an input start other workflows.
func authenticated(keyID string) []byte {
	return []byte("pbsmflow payload\x00" + cipherName + "\x00" + keyID)
}

var errDamaged = errors.New("the sealed payload is damaged, or was sealed by something else")

func (k *Keyring) open(p *commonpb.Payload) (*commonpb.Payload, error) {
	if !sealed(p) {
		return p, nil
	}
	if name := string(p.GetMetadata()[cipherField]); name != cipherName {
		return nil, fmt.Errorf("the payload is sealed with the cipher %q; here only %s is known", name, cipherName)
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
