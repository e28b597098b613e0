package login

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// DefaultFile is the file of the user's logins.
func DefaultFile() (string, error) {
	folder, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("where to keep the login: %w", err)
	}
	return filepath.Join(folder, "pbsmflow", "login.json"), nil
}

// kept is a login at a console.
type kept struct {
	Provider

	IDToken string    `json:"id_token"`
	Refresh string    `json:"refresh_token,omitempty"`
	Expires time.Time `json:"expires"`
}

func newKept(p Provider, token *oauth2.Token) (kept, error) {
	raw, _ := token.Extra("id_token").(string)
	expires, err := expiry(raw)
	if err != nil {
		return kept{}, errors.New("the provider gave no ID token; its client needs the scope openid")
	}
	return kept{Provider: p, IDToken: raw, Refresh: token.RefreshToken, Expires: expires}, nil
}

// expiry is when an ID token expires. The console verifies it; here it only says when to refresh it.
func expiry(token string) (time.Time, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, errors.New("is no ID token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Expires int64 `json:"exp"`
	}
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	return time.Unix(claims.Expires, 0), err
}

// refreshBefore is how long before its end a token is refreshed.
const refreshBefore = 30 * time.Second

// token is the ID token of who is logged in, refreshed where it has to be.
func (c *Console) token(ctx context.Context) (string, error) {
	all, err := c.logins()
	if err != nil {
		return "", err
	}
	k, ok := all[c.URL]
	switch {
	case !ok:
		return "", ErrLoggedOut
	case time.Until(k.Expires) > refreshBefore:
		return k.IDToken, nil
	case k.Refresh == "":
		return "", ErrLoggedOut
	}
	conf, err := k.config(ctx)
	if err != nil {
		return "", err
	}
	token, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: k.Refresh}).Token()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrLoggedOut, err)
	}
	next, err := newKept(k.Provider, token)
	if err != nil {
		return "", err
	}
	return next.IDToken, c.keep(next)
}

func (c *Console) logins() (map[string]kept, error) {
	all := map[string]kept{}
	text, err := os.ReadFile(c.File)
	if errors.Is(err, os.ErrNotExist) {
		return all, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("the file of logins %s: %w", c.File, err)
	}
	return all, nil
}

// keep writes a login into the file, which only its owner can read.
func (c *Console) keep(k kept) error {
	return c.change(func(all map[string]kept) { all[c.URL] = k })
}

// NotRevoked is the error of a login that is forgotten here, but not ended at the provider.
type NotRevoked struct{ cause error }

func (n *NotRevoked) Error() string {
	return fmt.Sprintf("the provider did not end the login, so a copy of it is valid until it expires there: %v", n.cause)
}

func (n *NotRevoked) Unwrap() error { return n.cause }

// Logout forgets the login, and then ends it at the provider (RFC 7009). Without the latter the error is a NotRevoked.
func (c *Console) Logout(ctx context.Context) error {
	all, err := c.logins()
	if err != nil {
		return err
	}
	if err := c.change(func(all map[string]kept) { delete(all, c.URL) }); err != nil {
		return err
	}
	k := all[c.URL]
	if k.Refresh == "" {
		return nil
	}
	provider, err := k.provider(ctx)
	if err == nil {
		err = Revoke(ctx, provider, k.ClientID, "", k.Refresh)
	}
	if err != nil {
		return &NotRevoked{err}
	}
	return nil
}

func (c *Console) change(do func(map[string]kept)) error {
	all, err := c.logins()
	if err != nil {
		return err
	}
	do(all)
	text, err := json.MarshalIndent(all, "", "  ") //nolint:gosec // into a file that only its owner can read
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.File), 0o700); err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(c.File), ".login-*") // for its owner only
	if err != nil {
		return err
	}
	_, err = next.Write(text)
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), c.File)
	}
	if err != nil {
		_ = os.Remove(next.Name())
	}
	return err
}
