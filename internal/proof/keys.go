package proof

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

const (
	privateBlock = "PRIVATE KEY" // PKCS #8
	publicBlock  = "PUBLIC KEY"  // SubjectPublicKeyInfo, RFC 8410
	maxKeyFile   = 16 << 10      // bytes
)

// NewKey makes a pair of keys: the private one as PEM, for the signer's file, and the public one as a single line, for
// the configuration of the workers.
func NewKey() (private []byte, public string, err error) {
	publicKey, privateKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(privateKey)
	if err != nil {
		return nil, "", err
	}
	public, err = PublicText(publicKey)
	return pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: der}), public, err
}

// PublicText is a public key as a single line: the base64 between the lines of its PEM file.
func PublicText(key ed25519.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	return base64.StdEncoding.EncodeToString(der), err
}

// ParsePublicKey reads a public key: the line that PublicText gives, or a PEM file's text.
func ParsePublicKey(text string) (ed25519.PublicKey, error) {
	der, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if block, _ := pem.Decode([]byte(text)); block != nil {
		if block.Type != publicBlock {
			return nil, fmt.Errorf("is a %s, not the public key", strings.ToLower(block.Type))
		}
		der, err = block.Bytes, nil
	}
	if err != nil {
		return nil, errors.New("must be the public key that the command \"console key\" prints, or its PEM file")
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	key, ok := parsed.(ed25519.PublicKey)
	if err != nil || !ok {
		return nil, errors.New("is no Ed25519 public key; the command \"console key\" makes one")
	}
	return key, nil
}

// parsePrivateKey reads a private key in PEM form. Its error does not contain the key.
func parsePrivateKey(text []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != privateBlock {
		return nil, errors.New("must be a private key in PEM form; the command \"console key\" makes one")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("is no Ed25519 private key, such as the command \"console key\" makes")
	}
	return key, nil
}

// ReadKeyFile reads the text of a key's file.
func ReadKeyFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err == nil && len(text) > maxKeyFile {
		err = fmt.Errorf("%s is larger than 16 KiB", path)
	}
	return text, err
}

// KeyID names a public key: its thumbprint (RFC 7638), so that nobody has to agree on a name.
func KeyID(key ed25519.PublicKey) string {
	thumbprint, err := (&jose.JSONWebKey{Key: key}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "" // an Ed25519 key has one
	}
	return base64.RawURLEncoding.EncodeToString(thumbprint)
}
