package config

import (
	"errors"
	"maps"
	"slices"

	"github.com/pbsmflow/pbsmflow/internal/encryption"
)

// Encryption encrypts what Temporal stores. Without it nothing is encrypted.
type Encryption struct {
	// Current is the name of the key that encrypts. With "none" nothing is encrypted from now on, while Keys
	// still decrypt what was encrypted earlier.
	Current string `koanf:"current"`
	// Keys are 32 bytes each, in base64 (openssl rand -base64 32). All of them decrypt.
	Keys map[string]Secret `koanf:"keys" jsonschema_extras:"keys=name"`

	keyring *encryption.Keyring
}

// noKey, in place of a key's name, turns encryption off.
const noKey = "none"

// Keyring contains the keys. Without any it encrypts nothing, and names the key of what it cannot decrypt.
func (e Encryption) Keyring() *encryption.Keyring { return e.keyring }

// LoadEncryption reads the keys of a configuration and nothing else, so that closes can be started, and
// commands sent, without the worker's other secrets. Without a configuration there are no keys.
func LoadEncryption(path string, env []string) (*encryption.Keyring, error) {
	l, err := open(path, env)
	if errors.Is(err, ErrNone) {
		return encryption.NewKeyring("", nil)
	}
	if err != nil {
		return nil, err
	}
	var e Encryption
	l.into(&e, l.k.Raw()["encryption"], "encryption")
	v := l.checker()
	v.encryption(&e)
	return e.keyring, l.err(v.List)
}

func (v *checker) encryption(e *Encryption) {
	keys, byText := map[string][]byte{}, map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(e.Keys)) {
		name := "encryption.keys." + id
		v.name(name, id)
		secret, err := e.Keys[id].read(v.folder, v.env)
		if err == nil {
			keys[id], err = encryption.ParseKey(secret.Expose())
		}
		v.check(name, err)
		if other, ok := byText[secret.Expose()]; ok && err == nil {
			v.want(false, name, "is the same key as %s", other)
		}
		byText[secret.Expose()], e.Keys[id] = id, secret
	}
	current := e.Current
	switch _, known := e.Keys[current]; {
	case current == noKey:
		v.want(!known, "encryption.keys."+current, "cannot be a key's name: it turns encryption off")
		current = ""
	case current == "" && len(e.Keys) > 0:
		v.want(false, "encryption.current", "is missing: name the key that encrypts, or %s", noKey)
	case current != "":
		known = known || v.known.Covers("encryption.keys."+current)
		v.want(known, "encryption.current", "there is no key %q in encryption.keys", current)
	}
	e.keyring, _ = encryption.NewKeyring(current, keys) // a problem is already known for what it refuses
}
