package login

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLogin_refusesAddressesWithoutTLS(t *testing.T) {
	for _, address := range []string{"http://close.bank.example", "close.bank.example", "ftp://localhost", ""} {
		_, err := New(address, "")
		require.ErrorContains(t, err, "is not the address of a console", address)
	}
}

// The issuer is what the console says, and is not believed where somebody on the way could answer in its name.
func TestLogin_refusesIssuersWithoutTLS(t *testing.T) {
	for issuer, want := range map[string]string{
		"http://login.invalid": "is neither https://... nor http:// on this machine", "login.invalid": "is neither https",
		"ftp://localhost": "is neither https", "": "is neither https", "https:": "is neither https",
		"http://127.0.0.1:1": "connection refused",
	} {
		console := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(Provider{Issuer: issuer, ClientID: "starter"})
		}))
		defer console.Close()
		c, err := New(console.URL, filepath.Join(t.TempDir(), "login.json"))
		require.NoError(t, err)
		_, err = c.Login(t.Context(), func(string, string) { t.Error("a code was shown") })
		require.ErrorContains(t, err, "the provider of the console: ", issuer)
		require.ErrorContains(t, err, want, issuer)
		require.NoError(t, c.keep(kept{Provider: Provider{Issuer: issuer}, Refresh: "secret"}))
		require.ErrorContains(t, c.Logout(t.Context()), want, "the refresh token of %q is not sent either", issuer)
	}
}
