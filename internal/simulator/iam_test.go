package simulator

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestToken_grants(t *testing.T) {
	cases := []struct {
		name   string
		change func(url.Values, http.Header)
		status int
		code   string
		note   string
	}{
		{"password grant", nil, 200, "", ""},
		{"no Basic", func(_ url.Values, h http.Header) { h.Del("Authorization") }, 401, "invalid_client", ""},
		{"wrong secret", func(_ url.Values, h http.Header) { h.Set("Authorization", "Basic eDp5") }, 401, "invalid_client", ""},
		{"credentials in the body", func(f url.Values, h http.Header) {
			h.Del("Authorization")
			f.Set("client_id", "x")
			f.Set("client_secret", "y")
		}, 401, "invalid_client", "client credentials in the body"},
		{"plus kept in the scope", func(f url.Values, _ http.Header) { f.Set("scope", "urn:opc:idm:__myscopes__+offline_access") }, 400, "invalid_scope", ""},
		{"no scope", func(f url.Values, _ http.Header) { f.Del("scope") }, 400, "invalid_scope", ""},
		{"wrong password", func(f url.Values, _ http.Header) { f.Set("password", "x") }, 400, "invalid_grant", ""},
		{"unknown grant", func(f url.Values, _ http.Header) { f.Set("grant_type", "client_credentials") }, 400, "unsupported_grant_type", ""},
		{"unknown refresh token", func(f url.Values, _ http.Header) { f.Set("grant_type", "refresh_token") }, 400, "invalid_grant", ""},
		{"not a form", func(_ url.Values, h http.Header) { h.Set("Content-Type", "application/json") }, 400, "invalid_request", ""},
	}
	h := start(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := h.login(c.change)
			require.Equal(t, c.status, a.status, string(a.body))
			require.Equal(t, c.code, a.text("error"))
			require.Equal(t, c.note, h.last().Note)
			require.Equal(t, c.status == 200, h.last().Processed)
		})
	}
	ok := h.login(nil)
	require.Equal(t, "Bearer", ok.text("token_type"))
	require.EqualValues(t, 3600, ok.json["expires_in"])
	require.Len(t, ok.text("access_token"), 1024)
	require.Contains(t, h.Secrets(), ok.text("refresh_token"))
	online := h.login(func(f url.Values, _ http.Header) { f.Set("scope", "urn:opc:idm:__myscopes__") })
	require.Equal(t, 200, online.status)
	require.NotContains(t, online.json, "refresh_token")
}

func TestToken_expires(t *testing.T) {
	h := start(t, func(o *Options) { o.TokenTTL = time.Minute })
	require.Equal(t, 200, h.call("GET", "/utils-service/v1/listfiles", "").status)
	h.tick(59 * time.Second)
	require.Equal(t, 200, h.call("GET", "/utils-service/v1/listfiles", "").status)
	h.tick(time.Second)
	require.Equal(t, 401, h.call("GET", "/utils-service/v1/listfiles", "").status)
	h.token = h.login(nil).text("access_token")
	require.Equal(t, 200, h.call("GET", "/utils-service/v1/listfiles", "").status)
	h.ExpireTokens(false)
	require.Equal(t, 401, h.call("GET", "/utils-service/v1/listfiles", "").status)
}

func TestToken_refresh(t *testing.T) {
	refresh := func(h *harness, token string) answer {
		return h.login(func(f url.Values, _ http.Header) {
			for k := range f {
				f.Del(k)
			}
			f.Set("grant_type", "refresh_token")
			f.Set("refresh_token", token)
		})
	}
	for _, rotates := range []bool{false, true} {
		h := start(t)
		if rotates {
			require.NoError(t, h.SetQuirks(RefreshRotates))
		}
		old := h.login(nil).text("refresh_token")
		first := refresh(h, old)
		require.Equal(t, 200, first.status)
		require.Equal(t, rotates, first.text("refresh_token") != old)
		second := refresh(h, old)
		require.Equal(t, rotates, second.status == 400, "an old refresh token is refused where they rotate")
		require.Equal(t, 200, refresh(h, first.text("refresh_token")).status)
		h.ExpireTokens(true)
		require.Equal(t, "invalid_grant", refresh(h, first.text("refresh_token")).text("error"))
	}
}

func TestToken_wrongPasswordsLockTheAccount(t *testing.T) {
	h := start(t)
	wrong := func(f url.Values, _ http.Header) { f.Set("password", "x") }
	for range 4 {
		h.login(wrong)
	}
	require.Equal(t, 200, h.login(nil).status)
	h.login(wrong)
	require.Equal(t, 200, h.login(nil).status, "a right one resets the count")
	for range 5 {
		h.login(wrong)
	}
	locked := h.login(nil)
	require.Equal(t, 400, locked.status)
	require.Contains(t, locked.text("error_description"), "locked")
	h.UnlockAccount()
	require.Equal(t, 200, h.login(nil).status)
}
