package parstore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// sealVersion is the start of every sealed text. A later format, or a second key, would have another one.
const sealVersion = "par1."

// Sealer encrypts URLs that activities pass to each other through the workflow's history. Its key is
// derived from the connection's client secret, which only the workers of the connection have: there is
// nothing to configure.
type Sealer struct {
	aead       cipher.AEAD
	connection string
}

// NewSealer derives the key (HKDF, SHA-256) for AES-256-GCM. It panics when the client secret is empty,
// because anyone could open what that seals; a valid configuration has one.
func NewSealer(clientSecret, connection string) Sealer {
	if clientSecret == "" {
		panic("parstore: the client secret is empty")
	}
	info := "pbsmflow: seal pre-authenticated URLs of connection " + connection
	key, err := hkdf.Key(sha256.New, []byte(clientSecret), nil, info, 32)
	if err != nil {
		panic("parstore: derive a key: " + err.Error()) // impossible for a key of this length
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("parstore: " + err.Error()) // impossible for a key of this length
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("parstore: " + err.Error()) // impossible for AES
	}
	return Sealer{aead, connection}
}

// Seal encrypts a text. It opens only with the same aad, which says what the text is for and is not secret.
// Sealing a text twice gives two different results.
func (s Sealer) Seal(plain, aad string) string {
	sealed := s.aead.Seal(nil, nil, []byte(plain), []byte(aad))
	return sealVersion + base64.RawURLEncoding.EncodeToString(sealed)
}

// Open decrypts what Seal returned for the same aad.
func (s Sealer) Open(sealed, aad string) (string, error) {
	encoded, ok := strings.CutPrefix(sealed, sealVersion)
	if !ok {
		return "", fmt.Errorf("the text is sealed in a format that this worker does not know (it knows %s...); "+
			"upgrade the worker", sealVersion)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return "", errors.New("the sealed text is damaged")
	}
	plain, err := s.aead.Open(nil, nil, raw, []byte(aad))
	if err != nil {
		return "", fmt.Errorf("the sealed URL cannot be opened: it was sealed for another purpose, "+
			"or with another client secret; give every worker the same client_secret for connection %q, "+
			"then repeat the step, which asks for a new URL", s.connection)
	}
	return string(plain), nil
}
