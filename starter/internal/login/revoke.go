package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Revoke ends a login at its provider: the refresh token is not taken any more (RFC 7009). A client without a secret is a
// public one.
func Revoke(ctx context.Context, provider *oidc.Provider, clientID, secret, refreshToken string) error {
	var endpoints struct {
		Revocation string `json:"revocation_endpoint"` // RFC 8414, chapter 2
	}
	if err := provider.Claims(&endpoints); err != nil {
		return err
	}
	if endpoints.Revocation == "" {
		return errors.New("it has no endpoint for that")
	}
	form := url.Values{"token": {refreshToken}, "token_type_hint": {"refresh_token"}}
	if secret == "" {
		form.Set("client_id", clientID)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoints.Revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if secret != "" {
		request.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(secret))
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered %s", response.Status)
	}
	return nil
}
