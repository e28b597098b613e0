package console

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/starter/internal/login"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// The starter logs in with the device flow, and its commands have the rights of whoever typed the code.
func TestDevice_logsInAndSendsCommands(t *testing.T) {
	p := newProvider(t)
	p.pending = 1
	p.claims = map[string]any{"preferred_username": "dora", "groups": []string{"audit"}}
	address, _ := withOIDC(t, p)
	file := filepath.Join(t.TempDir(), "config", "login.json")
	c, err := login.New(address+"/", file)
	require.NoError(t, err)
	command := workflows.Command{Why: "it came", Step: "ledger", Choice: workflows.Retry}

	_, err = c.Send(t.Context(), closeID, workflows.DecideCommand, command)
	require.ErrorIs(t, err, login.ErrLoggedOut, "nobody has logged in")

	var shown []string
	who, err := c.Login(t.Context(), func(address, code string) { shown = append(shown, address, code) })
	require.NoError(t, err)
	assert.Equal(t, login.Person{Name: "dora", Role: "viewer"}, who)
	assert.Equal(t, []string{p.URL + "/type", "WDJB-MJHT"}, shown)
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "only the owner can read the login")

	_, err = c.Send(t.Context(), closeID, workflows.DecideCommand, command)
	var refused *login.Refused
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "the roles of dora do not allow decide on prod", refused.Why)

	p.claims["groups"] = []string{"night"}
	p.lasts = time.Second
	_, err = c.Login(t.Context(), func(string, string) {})
	require.NoError(t, err)
	p.lasts = time.Hour // the token that is kept is about to expire, and is refreshed
	_, err = c.Send(t.Context(), closeID, workflows.DecideCommand, workflows.Command{Why: "...", Step: "ledger", Choice: workflows.Retry})
	require.ErrorAs(t, err, &refused)
	assert.Contains(t, refused.Why, "placeholder", "the console knows the name, and refuses what is sent")

	require.NoError(t, c.Logout())
	_, err = c.Send(t.Context(), closeID, workflows.DecideCommand, command)
	require.ErrorIs(t, err, login.ErrLoggedOut)
}

func TestLogin_refusesAddressesWithoutTLS(t *testing.T) {
	for _, address := range []string{"http://close.bank.example", "close.bank.example", "ftp://localhost", ""} {
		_, err := login.New(address, "")
		require.ErrorContains(t, err, "is not the address of a console", address)
	}
}
