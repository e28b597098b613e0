package parstore

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const canary = "canary-8R68eVcQAxQjNjK_S04MZjS"

func TestSealer_opensOnlyForItsPurpose(t *testing.T) {
	s := NewSealer("client-secret", "prod")
	sealed := s.Seal("https://host/p/"+canary+"/o", "upload/ledger")
	assert.True(t, strings.HasPrefix(sealed, "par1."))
	assert.NotContains(t, sealed, canary)

	plain, err := NewSealer("client-secret", "prod").Open(sealed, "upload/ledger")
	require.NoError(t, err, "any worker with the connection can open it")
	assert.Equal(t, "https://host/p/"+canary+"/o", plain)

	for name, open := range map[string]func() (string, error){
		"another purpose":    func() (string, error) { return s.Open(sealed, "download/x") },
		"another connection": func() (string, error) { return NewSealer("client-secret", "test").Open(sealed, "upload/ledger") },
		"another secret":     func() (string, error) { return NewSealer("rotated", "prod").Open(sealed, "upload/ledger") },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := open()
			require.ErrorContains(t, err, "give every worker the same client_secret for connection")
			for _, secret := range []string{canary, "client-secret", "rotated", sealed} {
				assert.NotContains(t, err.Error(), secret)
			}
		})
	}
	_, err = s.Open("par2."+sealed[5:], "upload/ledger")
	require.ErrorContains(t, err, "upgrade the worker")
	_, err = s.Open("https://host/p/"+canary, "upload/ledger")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), canary)
}

func TestSealer_differsEveryTime(t *testing.T) {
	s := NewSealer("client-secret", "prod")
	assert.NotEqual(t, s.Seal("x", ""), s.Seal("x", ""))
}

func TestNewSealer_emptySecret(t *testing.T) {
	assert.Panics(t, func() { NewSealer("", "prod") })
}

func TestSealer_noticesEveryChangedCharacter(t *testing.T) {
	s := NewSealer("client-secret", "prod")
	sealed := s.Seal("https://host/p/x", "aad")
	for i := range sealed {
		for _, c := range []byte{'A', 'B', '.'} {
			damaged := sealed[:i] + string(c) + sealed[i+1:]
			if damaged == sealed {
				continue
			}
			_, err := s.Open(damaged, "aad")
			require.Error(t, err, damaged)
		}
		_, err := s.Open(sealed[:i], "aad")
		require.Error(t, err)
	}
}

func FuzzSeal(f *testing.F) {
	s := NewSealer("client-secret", "prod")
	f.Add("https://host/p/x", "aad", "par1.")
	f.Add("", "", s.Seal("x", ""))
	f.Fuzz(func(t *testing.T, plain, aad, sealed string) {
		got, err := s.Open(s.Seal(plain, aad), aad)
		require.NoError(t, err)
		require.Equal(t, plain, got)
		if opened, err := s.Open(sealed, aad); err == nil {
			require.Equal(t, "x", opened, "only what was sealed can be opened")
		}
	})
}
