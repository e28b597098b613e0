package stores

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// kind is a scheme of stores.
type kind struct {
	check func(u *url.URL) error
	keys  []string // besides url
	login func(s Settings) problem.List
	open  func(ctx context.Context, u *url.URL, s Settings) (opened, error)
}

// opened is a store: the library's view of it, and what its kind does without the library.
type opened struct {
	*blob.Bucket
	// folder is the path of a store that is a folder.
	folder string
	// parts begins or continues a large file; nil when nothing can be suspended.
	parts func(ctx context.Context, to destination, state []byte) (Parts, error)
	// writer writes a file as it comes; nil when the library's own writer will do.
	writer func(ctx context.Context, to destination) io.WriteCloser
	// unfinished and ignored are those of the settings.
	unfinished, ignored []string
}

func openMemory(ctx context.Context, u *url.URL, _ Settings) (opened, error) {
	bucket, err := (&memblob.URLOpener{}).OpenBucketURL(ctx, u)
	return opened{Bucket: bucket}, err
}

// openFolder keeps temporary files beside the final ones, so that the rename stays within one file system,
// and writes no metadata files.
func openFolder(ctx context.Context, u *url.URL, _ Settings) (opened, error) {
	o := fileblob.URLOpener{Options: fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite}}
	bucket, err := o.OpenBucketURL(ctx, u)
	dir := u.Path
	if u.Host == "." {
		dir = strings.TrimPrefix(dir, "/")
	}
	dir = filepath.Clean(filepath.FromSlash(dir))
	return opened{Bucket: bucket, folder: dir, parts: partsInFolder(dir)}, err
}

func anyURL(*url.URL) error { return nil }

func noLogin(Settings) problem.List { return nil }

// kinds are the supported schemes. A new one is a row here, with its functions, and a case of conformance_test.go. A
// key of its own is a field of Settings, checked in Problems, and a field of config.Store, which convert.go of
// internal/config copies and validate.go checks.
var kinds = map[string]kind{
	"file": {checkFolder, nil, noLogin, openFolder},
	"mem":  {anyURL, nil, noLogin, openMemory},
	"s3":   {checkS3, []string{"access_key", "secret_key"}, checkS3Login, openS3},
	"sftp": {
		checkSFTP, []string{"key_file", "key_passphrase", "password", "known_hosts", "fingerprint"}, checkSFTPLogin, openSFTP,
	},
}

// Problems checks the settings without contacting the store. The path of a problem is its key.
func (s Settings) Problems() problem.List {
	var problems problem.List
	u, err := ParseURL(s.URL)
	if !problems.Check("url", err) {
		return problems
	}
	k := kinds[u.Scheme]
	given := map[string]string{
		"access_key":     s.AccessKey,
		"secret_key":     s.SecretKey,
		"key_file":       s.KeyFile,
		"key_passphrase": s.KeyPassphrase,
		"password":       s.Password,
		"known_hosts":    s.KnownHosts,
		"fingerprint":    s.Fingerprint,
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if given[key] != "" && !slices.Contains(k.keys, key) {
			problems.Addf(key, "does not apply to a store of the scheme %s", u.Scheme)
		}
	}
	for key, patterns := range map[string][]string{"unfinished": s.Unfinished, "ignored": s.Ignored} {
		for _, pattern := range patterns {
			_, err := path.Match(pattern, "")
			problems.Want(err == nil && pattern != "" && !strings.Contains(pattern, "/"), key,
				"%q is not the name of a file, in which * stands for any letters", pattern)
		}
	}
	return append(problems, k.login(s)...)
}

// ParseURL checks a store's URL without opening it; see [Settings].
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("not a URL; an example is file:///data/inbox") // the text may hold credentials
	}
	kind, ok := kinds[u.Scheme]
	if !ok {
		return nil, fmt.Errorf("the scheme %q is not supported; supported: %s",
			u.Scheme, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	}
	if err := kind.check(u); err != nil {
		return nil, err
	}
	return u, nil
}

func checkOptions(u *url.URL, known ...string) error {
	for key, values := range u.Query() {
		switch {
		case !slices.Contains(known, key):
			return fmt.Errorf("the option %q is not supported; supported: %s", key, strings.Join(known, ", "))
		case len(values) > 1:
			return fmt.Errorf("the option %q is set twice", key)
		}
	}
	return nil
}

func checkFolder(u *url.URL) error {
	switch {
	case u.Host != "" && u.Host != "localhost" && u.Host != ".":
		return fmt.Errorf("a folder has no host (%s); use file:///absolute/path or file://./relative/path", u.Host)
	case u.User != nil, u.Fragment != "":
		return errors.New("a folder's URL must have neither a user nor a fragment; use file:///absolute/path")
	case strings.Trim(u.Path, "/") == "":
		return errors.New("the folder is missing; use file:///absolute/path or file://./relative/path")
	}
	return checkOptions(u, "create_dir", "dir_file_mode")
}

var (
	bucketPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$`)
	prefixPattern = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?$`)
)

func checkS3(u *url.URL) error {
	q := u.Query()
	switch {
	case u.User != nil:
		return errors.New("credentials do not belong in the URL: " +
			"use access_key and secret_key, or the AWS SDK's default sources")
	case u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return errors.New("use s3://bucket?region=R&endpoint=https://HOST&prefix=FOLDER, without a path")
	case !bucketPattern.MatchString(u.Host):
		return fmt.Errorf("%q is not a bucket name", u.Host)
	case q.Get("prefix") != "" && !prefixPattern.MatchString(q.Get("prefix")):
		return fmt.Errorf("the prefix %q is not a folder such as outgoing/night", q.Get("prefix"))
	case q.Has("path_style") && q.Get("path_style") != "true" && q.Get("path_style") != "false":
		return errors.New("path_style must be true or false")
	}
	if err := checkOptions(u, "endpoint", "path_style", "prefix", "profile", "region"); err != nil {
		return err
	}
	if q.Get("endpoint") == "" {
		return nil
	}
	e, err := url.Parse(q.Get("endpoint"))
	if err != nil || e.Hostname() == "" || e.User != nil || e.RawQuery != "" || e.Fragment != "" ||
		strings.Trim(e.Path, "/") != "" {
		return errors.New("the endpoint must be an https URL with only a host")
	}
	if e.Scheme != "https" && (e.Scheme != "http" || !httpx.IsLoopback(e.Hostname())) {
		return errors.New("the endpoint must be https: over http anyone on the network can read the files")
	}
	return nil
}

func checkS3Login(s Settings) (problems problem.List) {
	switch {
	case s.AccessKey != "" && s.SecretKey == "":
		problems.Add("secret_key", "is missing: it goes with access_key")
	case s.AccessKey == "" && s.SecretKey != "":
		problems.Add("access_key", "is missing: it goes with secret_key")
	}
	return problems
}

func checkSFTP(u *url.URL) error {
	_, hasPassword := u.User.Password()
	switch {
	case hasPassword:
		return errors.New("the password does not belong in the URL: use the key password")
	case u.User.Username() == "" || u.Hostname() == "":
		return errors.New("use sftp://user@host/folder")
	case u.Fragment != "":
		return errors.New("an SFTP server's URL must not have a fragment; use sftp://user@host/folder")
	case u.Port() == "0":
		return errors.New("the port must not be 0")
	case slices.Contains(strings.Split(u.Path, "/"), ".."):
		return errors.New(`the folder must not contain ".."`)
	}
	return checkOptions(u)
}

func checkSFTPLogin(s Settings) (problems problem.List) {
	problems.Want(s.KeyFile != "" || s.Password != "", "key_file", "is missing: set key_file or password")
	problems.Want(s.KeyFile != "" || s.KeyPassphrase == "", "key_passphrase", "has no effect without key_file")
	problems.Want((s.KnownHosts == "") != (s.Fingerprint == ""), "known_hosts",
		"set either known_hosts or fingerprint: pbsmflow does not log in to an unverified server")
	_, err := signer(s)
	problems.Check("key_file", err)
	key := "known_hosts"
	if s.Fingerprint != "" {
		key = "fingerprint"
	}
	_, err = knownHost(s)
	problems.Check(key, err)
	return problems
}
