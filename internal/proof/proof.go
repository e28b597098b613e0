// Package proof signs operators' commands and verifies them, so that the name on a command is that of whoever logged in
// at the console, and not what somebody typed.
//
// A proof is a compact JWS (RFC 7515) with Ed25519 (EdDSA, RFC 8037) over claims in the form of a JWT (RFC 7519). It is
// valid for a minute, for one command to the workflows that it names, and once: whoever verifies it remembers its ID.
package proof

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// Validity is how long a proof can be used.
	Validity = time.Minute
	// Skew is how much the clocks of signer and verifier may differ.
	Skew = 5 * time.Second
	// MaxSize is in bytes. A command for every step of a large close names hundreds of workflows.
	MaxSize = 64 << 10

	tokenType = "pbsmflow-command+jwt"
)

// Claims are what a proof says. Who, Audience, Command and Why are required.
type Claims struct {
	// Who is the name of the operator, Groups are the operator's groups.
	Who    string   `json:"sub"`
	Groups []string `json:"groups,omitempty"`
	// Audience are the ids of the workflows that may take the command: that which it is sent to, and those that it is
	// forwarded to.
	Audience []string `json:"aud"`
	Statement

	// IssuedAt, Expires and ID are set by the signer.
	IssuedAt Instant `json:"iat"`
	Expires  Instant `json:"exp"`
	ID       string  `json:"jti"`
}

// Statement is what was signed: a command with all of its fields, or the start of a workflow. Every field is compared.
type Statement struct {
	Command string   `json:"command"`
	Step    string   `json:"step,omitempty"`
	From    []string `json:"from,omitempty"`
	Only    []string `json:"only,omitempty"`
	Choice  string   `json:"choice,omitempty"`
	RunID   string   `json:"run_id,omitempty"`
	// Until is a point in time, RFC 3339: "06:30" would be another one tomorrow.
	Until string `json:"until,omitempty"`
	// Asked is when the question was asked that the command answers.
	Asked time.Time `json:"asked,omitzero"`
	Why   string    `json:"why"`
	// Input is the SHA-256, in hexadecimal digits, of the input of a workflow that is started.
	Input string `json:"input,omitempty"`
}

// Instant is a time as a JWT has it: the seconds since 1970, here with milliseconds.
type Instant struct{ time.Time }

// MarshalJSON writes the seconds.
func (i Instant) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(i.UnixMilli())/1000, 'f', 3, 64), nil
}

// UnmarshalJSON reads the seconds.
func (i *Instant) UnmarshalJSON(text []byte) error {
	seconds, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.Abs(seconds) > 1e11 {
		return errors.New("must be the seconds since 1970")
	}
	i.Time = time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	return nil
}

// Signer signs commands with one key. It is safe for concurrent use.
type Signer struct {
	signer jose.Signer
	key    ed25519.PrivateKey
	now    func() time.Time
}

// NewSigner takes a private key in PEM form. Its error does not contain the key.
func NewSigner(keyPEM []byte) (*Signer, error) {
	key, err := parsePrivateKey(keyPEM)
	if err != nil {
		return nil, err
	}
	s := &Signer{key: key, now: time.Now}
	s.signer, err = jose.NewSigner(
		jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: key, KeyID: KeyID(s.PublicKey())}},
		(&jose.SignerOptions{}).WithType(tokenType),
	)
	return s, err
}

// PublicKey is the key that the workers need.
func (s *Signer) PublicKey() ed25519.PublicKey {
	return s.key.Public().(ed25519.PublicKey) //nolint:forcetypeassert // see ed25519
}

// Sign returns the proof of a command that is sent now.
func (s *Signer) Sign(c Claims) (string, error) {
	now := s.now()
	c.IssuedAt, c.Expires, c.ID = Instant{now}, Instant{now.Add(Validity)}, rand.Text()
	if err := c.complete(); err != nil {
		return "", fmt.Errorf("sign the command: %w", err)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	signed, err := s.signer.Sign(payload)
	if err != nil {
		return "", err
	}
	text, err := signed.CompactSerialize()
	if len(text) > MaxSize {
		return "", fmt.Errorf("sign the command: the proof has %d bytes, more than %d", len(text), MaxSize)
	}
	return text, err
}

// complete returns an error unless everything is there.
func (c Claims) complete() error {
	required := []struct{ name, value string }{
		{"who", c.Who}, {"command", c.Command}, {"why", c.Why}, {"id", c.ID}, {"audience", strings.Join(c.Audience, "")},
	}
	for _, r := range required {
		if strings.TrimSpace(r.value) == "" {
			return fmt.Errorf("the proof has no %s", r.name)
		}
	}
	if _, err := time.Parse(time.RFC3339, c.Until); c.Until != "" && err != nil {
		return fmt.Errorf("until is %q: it must be a point in time such as 2026-11-01T06:30:00-05:00", c.Until)
	}
	return nil
}

// Expected is the command that a proof was sent with, and who verifies it.
type Expected struct {
	// WorkflowID is the workflow that verifies, and Since is when its run began: what was signed before was for an
	// earlier run.
	WorkflowID string    `json:"workflow_id"`
	Since      time.Time `json:"since,omitzero"`
	// HasSteps marks a workflow that compares Step. A step's own workflow does not know how the close calls it.
	HasSteps bool `json:"has_steps,omitempty"`
	// By is the name that was typed; empty is any.
	By string `json:"by,omitempty"`
	Statement
}

// Verifier verifies proofs with public keys. It is safe for concurrent use.
type Verifier struct {
	keys map[string]ed25519.PublicKey // by KeyID
}

// NewVerifier takes the public keys; their names are of no importance.
func NewVerifier(keys map[string]ed25519.PublicKey) *Verifier {
	v := &Verifier{keys: map[string]ed25519.PublicKey{}}
	for _, key := range keys {
		v.keys[KeyID(key)] = key
	}
	return v
}

// HasKeys reports whether the verifier can accept any proof. nil cannot.
func (v *Verifier) HasKeys() bool { return v != nil && len(v.keys) > 0 }

// Verify returns the claims of a proof that is valid at a time, for what is expected. The error says what does not match.
// Whether the proof was used before is for the caller to know, from the claims' ID.
func (v *Verifier) Verify(token string, now time.Time, want Expected) (Claims, error) {
	c, err := v.open(token)
	if err == nil {
		err = errors.Join(c.complete(), c.timely(now, want.Since), c.matches(want))
	}
	if err != nil {
		return Claims{}, err
	}
	return c, nil
}

// open returns the claims of a proof with a good signature.
func (v *Verifier) open(token string) (c Claims, err error) {
	if len(token) > MaxSize {
		return c, fmt.Errorf("the proof has %d bytes, more than %d", len(token), MaxSize)
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return c, errors.New("the proof is not a compact JWS signed with EdDSA")
	}
	header := signed.Signatures[0].Protected
	for name := range header.ExtraHeaders {
		if name != jose.HeaderType {
			return c, fmt.Errorf("the proof has the header %q, which it must not have", string(name))
		}
	}
	if header.JSONWebKey != nil || header.ExtraHeaders[jose.HeaderType] != tokenType {
		return c, fmt.Errorf("the proof has a key of its own, or is not of the type %s", tokenType)
	}
	key, known := v.keys[header.KeyID]
	if !known {
		return c, errors.New("the proof is signed with a key that is not in commands.keys of the worker")
	}
	payload, err := signed.Verify(key)
	if err != nil {
		return c, errors.New("the signature of the proof is wrong: it was changed, or forged")
	}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return Claims{}, fmt.Errorf("the claims of the proof cannot be read: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Claims{}, errors.New("the claims of the proof are followed by something else")
	}
	return c, nil
}

func (c Claims) timely(now, since time.Time) error {
	const stamp = "15:04:05 MST on 2 Jan 2006"
	switch {
	case c.Expires.Sub(c.IssuedAt.Time) > Validity:
		return fmt.Errorf("the proof would be valid for longer than %s", Validity)
	case c.IssuedAt.After(now.Add(Skew)):
		return fmt.Errorf("the proof is from the future (%s): compare the clocks of the console and the worker", c.IssuedAt.Format(stamp))
	case now.After(c.Expires.Add(Skew)):
		return fmt.Errorf("the proof expired at %s: send the command again", c.Expires.Format(stamp))
	case c.IssuedAt.Before(since):
		return fmt.Errorf("the proof was signed at %s, before this run began: send the command again", c.IssuedAt.Format(stamp))
	}
	return nil
}

func (c Claims) matches(want Expected) error {
	var problems []error
	mismatch := func(field, proved, given string) {
		if proved != given {
			problems = append(problems, fmt.Errorf("%s: the proof is for %q, not for %q", field, proved, given))
		}
	}
	if !slices.Contains(c.Audience, want.WorkflowID) {
		problems = append(problems, fmt.Errorf("workflow: the proof is for %s, not for %s", strings.Join(c.Audience, ", "), want.WorkflowID))
	}
	if want.By != "" {
		mismatch("by", c.Who, want.By)
	}
	if want.HasSteps {
		mismatch("step", c.Step, want.Step)
	}
	mismatch("command", c.Command, want.Command)
	mismatch("choice", c.Choice, want.Choice)
	mismatch("run_id", c.RunID, want.RunID)
	mismatch("why", c.Why, want.Why)
	mismatch("input", c.Input, want.Input)
	mismatch("from", strings.Join(c.From, ", "), strings.Join(want.From, ", "))
	mismatch("only", strings.Join(c.Only, ", "), strings.Join(want.Only, ", "))
	if !sameMoment(c.Until, want.Until) {
		mismatch("until", c.Until, want.Until)
	}
	if !c.Asked.Equal(want.Asked) {
		mismatch("asked", c.Asked.Format(time.RFC3339Nano), want.Asked.Format(time.RFC3339Nano))
	}
	return errors.Join(problems...)
}

// sameMoment reports whether two points in time are the same one, in whatever zone.
func sameMoment(a, b string) bool {
	one, errA := time.Parse(time.RFC3339, a)
	other, errB := time.Parse(time.RFC3339, b)
	return errA == nil && errB == nil && one.Equal(other)
}
