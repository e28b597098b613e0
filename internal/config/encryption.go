package config

import (
	"errors"
	"maps"
	"slices"

	"github.com/pbsmflow/pbsmflow/internal/encryption"
)

// Encryption seals what Temporal keeps. Without it nothing is sealed.
type Encryption struct {
	// Current names the key that seals. With "none" nothing more is sealed, while Keys still open
	// what was.
	Current string `koanf:"current"`
	// Keys are 32 bytes each, in base64 (openssl rand -base64 32). All of them open.
	Keys map[string]Secret `koanf:"keys" jsonschema_extras:"keys=name"`

	keyring *encryption.Keyring
}

// sealsNothing is what stands in the place of a key's name.
const sealsNothing = "none"

// Keyring holds the keys; without any it seals nothing, and names the key of what it cannot open.
func (e Encryption) Keyring() *encryption.Keyring { return e.keyring }

// LoadEncryption reads the keys of a configuration and nothing else, so that closes can be started
// and steered where the worker's secrets are not. Without a configuration there are none.
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
	v := &checker{folder: l.folder, lookup: l.lookup, failed: l.failed}
	v.encryption(&e)
	l.faults = append(l.faults, v.faults...)
	return e.keyring, l.err()
}

func (v *checker) encryption(e *Encryption) {
	keys, byText := map[string][]byte{}, map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(e.Keys)) {
		name := "encryption.keys." + id
		v.name(name, id)
		secret, err := e.Keys[id].read(v.folder, v.lookup)
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
	case current == sealsNothing:
		v.want(!known, "encryption.keys."+current, "cannot be a key's name: it says that nothing is sealed")
		current = ""
	case current == "" && len(e.Keys) > 0:
		v.want(false, "encryption.current", "is missing: name the key that seals, or %s", sealsNothing)
	case current != "":
		v.want(known || v.failed("encryption.keys."+current), "encryption.current", "there is no key %q in encryption.keys", current)
	}
	e.keyring, _ = encryption.NewKeyring(current, keys) // what it refuses has a fault already
}
