package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	keyText      = "Y2FuYXJ5LWh1bnRlcjIhY2FuYXJ5LWh1bnRlcjIhISE=" // openssl rand -base64 32
	otherKeyText = "Y2FuYXJ5LWh1bnRlcjMhY2FuYXJ5LWh1bnRlcjMhISE="
)

const twoKeys = `
encryption:
  current: "2026-11"
  keys:
    "2026-05": {file: old-key}
    "2026-11": {env: NEW_KEY}
`

func TestLoad_encryption(t *testing.T) {
	path := folder(t, minimal+twoKeys)
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "old-key"), []byte(keyText+"\n"), 0o600))
	env := []string{"NEW_KEY=" + otherKeyText}
	cfg, err := Load(path, env)
	require.NoError(t, err)
	assert.Equal(t, "2026-11", cfg.Encryption.Keyring().Current())
	assert.Equal(t, []string{"2026-05", "2026-11"}, cfg.Encryption.Keyring().IDs())

	cfg, err = Load(path, append(env, "PBSM_ENCRYPTION__CURRENT=2026-05", "PBSM_ENCRYPTION__KEYS__2026_11__FILE=old-key", "PBSM_ENCRYPTION__KEYS__2026_05="+otherKeyText))
	require.NoError(t, err, "the environment overrides keys with a - in their name")
	assert.Equal(t, "2026-05", cfg.Encryption.Keyring().Current())

	cfg, err = Load(path, append(env, "PBSM_ENCRYPTION__CURRENT=none"))
	require.NoError(t, err)
	assert.Empty(t, cfg.Encryption.Keyring().Current())
	assert.Len(t, cfg.Encryption.Keyring().IDs(), 2)

	cfg, err = Load(folder(t, minimal), nil)
	require.NoError(t, err)
	assert.Empty(t, cfg.Encryption.Keyring().Current(), "encryption is optional")
}

// The starter has the keys and no other secret.
func TestLoadEncryption_readsNothingElse(t *testing.T) {
	path := folder(t, strings.Replace(minimal, "password: "+canary, "password: {file: missing}", 1)+twoKeys)
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "old-key"), []byte(keyText), 0o600))
	keys, err := LoadEncryption(path, []string{"NEW_KEY=" + otherKeyText})
	require.NoError(t, err)
	assert.Equal(t, []string{"2026-05", "2026-11"}, keys.IDs())
	_, err = LoadEncryption(path, nil)
	assert.ErrorContains(t, err, "encryption.keys.2026-11: the environment variable NEW_KEY is not set")
	_, err = LoadEncryption("missing.yaml", nil)
	assert.ErrorContains(t, err, "missing.yaml", "a file that was named must exist")

	t.Chdir(t.TempDir())
	keys, err = LoadEncryption("", nil)
	require.NoError(t, err)
	assert.Empty(t, keys.Current())
}

func TestLoad_encryptionProblems(t *testing.T) {
	for name, tt := range map[string]struct{ add, want string }{
		"no current":    {`{keys: {a: ` + keyText + `}}`, "encryption.current: is missing: name the key that encrypts, or none"},
		"unknown key":   {`{current: b, keys: {a: ` + keyText + `}}`, `encryption.current: there is no key "b" in encryption.keys`},
		"no keys":       {`{current: b}`, `encryption.current: there is no key "b" in encryption.keys`},
		"named none":    {`{current: none, keys: {none: ` + keyText + `}}`, "encryption.keys.none: cannot be a key's name"},
		"short":         {`{current: a, keys: {a: YQ==}}`, "encryption.keys.a: must be 32 bytes in base64"},
		"not base64":    {`{current: a, keys: {a: ` + canary + `}}`, "encryption.keys.a: must be 32 bytes in base64"},
		"missing":       {`{current: a, keys: {a: {file: missing}}}`, "encryption.keys.a: open "},
		"not a secret":  {`{current: a, keys: {a: 12}}`, "encryption.keys.a: must be a text"},
		"name":          {`{current: A, keys: {A: ` + keyText + `}}`, `encryption.keys.A: "A" is not a name`},
		"number":        {`{current: 2026, keys: {a: ` + keyText + `}}`, "encryption.current: must be a text; put a number in quotes"},
		"same twice":    {`{current: a, keys: {a: ` + keyText + `, b: ` + keyText + `}}`, "encryption.keys.b: is the same key as a"},
		"unknown":       {`{curent: a}`, "encryption.curent: unknown key"},
		"text":          {keyText, "encryption: must be keys and values"},
		"text for keys": {`{current: none, keys: ` + keyText + `}`, "encryption.keys: must be keys and values"},
	} {
		t.Run(name, func(t *testing.T) {
			path := folder(t, minimal+"encryption: "+tt.add+"\n")
			_, err := Load(path, nil)
			require.ErrorContains(t, err, tt.want)
			assert.Len(t, strings.Split(err.Error(), "\n"), 2, "one problem, named once: %s", err)
			for _, secret := range []string{keyText, canary} {
				assert.NotContains(t, err.Error(), secret)
			}
			_, err = LoadEncryption(path, nil)
			require.ErrorContains(t, err, tt.want)
		})
	}
}
