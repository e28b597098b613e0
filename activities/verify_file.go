package activities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/verify"
)

// VerifyFileInput names a file, and the figures that it must have.
type VerifyFileInput struct {
	// File is "store/path".
	File   string        `json:"file"`
	Expect verify.Expect `json:"expect"`
}

// VerifyFile reads a file once and compares its figures with the expected ones. The final error, of type
// VerificationFailed, has every difference.
func (a *Activities) VerifyFile(ctx context.Context, in VerifyFileInput) (verify.Figures, error) {
	promised, err := a.manifest(ctx, in)
	if err != nil {
		return verify.Figures{}, err
	}
	info, err := a.stores.Stat(ctx, in.File)
	if errors.Is(err, fs.ErrNotExist) {
		return verify.Figures{}, fileMissing("%s is not in its store any more: put it there, then retry", in.File)
	}
	if err != nil {
		return verify.Figures{}, classifyStore(ctx, err)
	}
	source, err := a.stores.Open(ctx, in.File)
	if err != nil {
		return verify.Figures{}, classifyStore(ctx, err)
	}
	defer source.Close()
	form := verify.FormOf(in.File, in.Expect, promised)
	found, err := verify.ReadFigures(contextReader{ctx, source}, form, readProgress(ctx, info.Size))
	var malformed *verify.FormatError
	switch {
	case errors.As(err, &malformed):
		return found, verificationFailed(in, verify.Mismatch{
			What: "form", Expected: "a well-formed CSV file", Found: malformed.Error(),
		})
	case err != nil:
		return found, classifyStore(ctx, fmt.Errorf("read %s: %w", in.File, err))
	}
	wrong := append(in.Expect.Compare(found, ""), promised.Compare(found, in.Expect.Manifest)...)
	if len(wrong) > 0 {
		return found, verificationFailed(in, wrong...)
	}
	return found, nil
}

// contextReader fails once its context ends: to read a file of a folder does not depend on the context.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// manifest returns the figures that the file's sender promises; none without a manifest.
func (a *Activities) manifest(ctx context.Context, in VerifyFileInput) (verify.Expect, error) {
	ref := in.Expect.Manifest
	if ref == "" {
		return verify.Expect{}, nil
	}
	text, err := a.readAtMost(ctx, ref, verify.MaxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return verify.Expect{}, verificationFailed(in, verify.Mismatch{
			What: "manifest", Expected: ref, Found: "no such file",
		})
	}
	if err != nil {
		return verify.Expect{}, classifyStore(ctx, err)
	}
	promised, err := verify.ParseManifest(text, path.Base(in.File))
	if err != nil {
		return verify.Expect{}, verificationFailed(in, verify.Mismatch{
			What: "manifest", Expected: ref, Found: "one that " + err.Error(),
		})
	}
	return promised, nil
}

func verificationFailed(in VerifyFileInput, wrong ...verify.Mismatch) error {
	texts := make([]string, len(wrong))
	for i, m := range wrong {
		texts[i] = m.String()
	}
	message := fmt.Sprintf("%s does not match: %s; correct the file or its expect, then retry",
		in.File, strings.Join(texts, "; "))
	return temporal.NewNonRetryableApplicationError(message, VerificationFailed, nil, wrong)
}
