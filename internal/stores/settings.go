package stores

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
)

// Settings is where a store is, and how to log in there.
//
//	file:///data/inbox                   a folder that exists
//	file:///data/reports?create_dir=true a folder that is made when it is missing
//	file://./inbox                       relative to the working directory
//	s3://bucket?region=us-ashburn-1&endpoint=https://NAMESPACE.compat.objectstorage.us-ashburn-1.oraclecloud.com
//	                                     S3, or what is compatible with it; also prefix, profile, path_style
//	sftp://user@host:22/outgoing         a folder of an SFTP server; /~/outgoing below the user's own
//	mem://                               for tests: gone with the process
type Settings struct {
	URL string

	// Of S3. Where they are empty, the AWS SDK looks where it always looks.
	AccessKey, SecretKey string

	// Of SFTP: how to log in, a key or a password or both, and how to know the server,
	// by a known_hosts file or by the fingerprint of its key, "SHA256:...".
	KeyFile, KeyPassphrase, Password string
	KnownHosts, Fingerprint          string
}

// Problem is something wrong with a key of a place.
type Problem struct{ Key, Message string }

func (f Problem) Error() string { return f.Key + ": " + f.Message }

type kind struct {
	check func(u *url.URL) error
	keys  []string // beside url
	login func(p Settings) []Problem
	open  func(ctx context.Context, u *url.URL, p Settings) (opened, error)
}

// opened is a store: the library's view of it, and what its kind does without the library.
type opened struct {
	*blob.Bucket
	// parts starts large files, or goes on with them; nil where nothing can be left of one.
	parts func(ctx context.Context, to destination, left []byte) (Parts, error)
	// writer writes a file as it comes; nil where the library does that well.
	writer func(ctx context.Context, to destination) io.WriteCloser
}

func openMemory(ctx context.Context, u *url.URL, _ Settings) (opened, error) {
	bucket, err := (&memblob.URLOpener{}).OpenBucketURL(ctx, u)
	return opened{Bucket: bucket}, err
}

// openFolder has temporary files stand beside the final ones, so that the rename stays within
// one file system, and nothing but the files written.
func openFolder(ctx context.Context, u *url.URL, _ Settings) (opened, error) {
	o := fileblob.URLOpener{Options: fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite}}
	bucket, err := o.OpenBucketURL(ctx, u)
	dir, _ := folderOf(u)
	return opened{Bucket: bucket, parts: partsInFolder(dir)}, err
}

func anyURL(*url.URL) error { return nil }

func noLogin(Settings) []Problem { return nil }

// kinds are the supported schemes.
var kinds = map[string]kind{
	"file": {checkFolder, nil, noLogin, openFolder},
	"mem":  {anyURL, nil, noLogin, openMemory},
	"s3":   {checkS3, []string{"access_key", "secret_key"}, checkS3Login, openS3},
	"sftp": {checkSFTP, []string{"key_file", "key_passphrase", "password", "known_hosts", "fingerprint"}, checkSFTPLogin, openSFTP},
}

// Problems names everything that is wrong with a place, without contacting it.
func (p Settings) Problems() []Problem {
	u, err := ParseURL(p.URL)
	if err != nil {
		return []Problem{{"url", err.Error()}}
	}
	k := kinds[u.Scheme]
	var problems []Problem
	given := map[string]string{
		"access_key": p.AccessKey, "secret_key": p.SecretKey, "key_file": p.KeyFile, "key_passphrase": p.KeyPassphrase,
		"password": p.Password, "known_hosts": p.KnownHosts, "fingerprint": p.Fingerprint,
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if given[key] != "" && !slices.Contains(k.keys, key) {
			problems = append(problems, Problem{key, "is not for a store of the scheme " + u.Scheme})
		}
	}
	return append(problems, k.login(p)...)
}

// ParseURL checks a store's URL without opening it; see [Settings].
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("not a URL; write for example file:///data/inbox") // the text may hold credentials
	}
	kind, ok := kinds[u.Scheme]
	if !ok {
		return nil, fmt.Errorf("the scheme %q is not supported; supported: %s", u.Scheme, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
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
			return fmt.Errorf("the option %q is given twice", key)
		}
	}
	return nil
}

func checkFolder(u *url.URL) error {
	switch {
	case u.Host != "" && u.Host != "localhost" && u.Host != ".":
		return fmt.Errorf("a folder has no host (%s); write file:///absolute/path or file://./relative/path", u.Host)
	case u.User != nil, u.Fragment != "":
		return errors.New("a folder's URL has neither user nor fragment; write file:///absolute/path")
	case strings.Trim(u.Path, "/") == "":
		return errors.New("the folder is missing; write file:///absolute/path or file://./relative/path")
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
		return errors.New("credentials do not belong into the URL: use access_key and secret_key, or the AWS SDK's own sources")
	case u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return errors.New("write s3://bucket?region=R&endpoint=https://HOST&prefix=FOLDER, without a path")
	case !bucketPattern.MatchString(u.Host):
		return fmt.Errorf("%q is not a bucket's name", u.Host)
	case q.Get("prefix") != "" && !prefixPattern.MatchString(q.Get("prefix")):
		return fmt.Errorf("the prefix %q is not a folder such as outgoing/night", q.Get("prefix"))
	case q.Has("path_style") && q.Get("path_style") != "true" && q.Get("path_style") != "false":
		return errors.New("path_style is true or false")
	}
	if err := checkOptions(u, "endpoint", "path_style", "prefix", "profile", "region"); err != nil {
		return err
	}
	if q.Get("endpoint") == "" {
		return nil
	}
	e, err := url.Parse(q.Get("endpoint"))
	if err != nil || e.Hostname() == "" || e.User != nil || e.RawQuery != "" || e.Fragment != "" || strings.Trim(e.Path, "/") != "" {
		return errors.New("the endpoint must be an https URL of a host alone")
	}
	if e.Scheme != "https" && (e.Scheme != "http" || !httpx.IsLoopback(e.Hostname())) {
		return errors.New("the endpoint must be https: over http everybody on the way reads the files")
	}
	return nil
}

func checkS3Login(p Settings) []Problem {
	switch {
	case p.AccessKey != "" && p.SecretKey == "":
		return []Problem{{"secret_key", "is missing: it goes with access_key"}}
	case p.AccessKey == "" && p.SecretKey != "":
		return []Problem{{"access_key", "is missing: it goes with secret_key"}}
	}
	return nil
}

func checkSFTP(u *url.URL) error {
	_, hasPassword := u.User.Password()
	switch {
	case hasPassword:
		return errors.New("the password does not belong into the URL: use the key password")
	case u.User.Username() == "" || u.Hostname() == "":
		return errors.New("write sftp://user@host/folder")
	case u.Fragment != "":
		return errors.New("an SFTP server's URL has no fragment; write sftp://user@host/folder")
	case u.Port() == "0":
		return errors.New("0 is not a port")
	case slices.Contains(strings.Split(u.Path, "/"), ".."):
		return errors.New(`write the folder without ".."`)
	}
	return checkOptions(u)
}

func checkSFTPLogin(p Settings) []Problem {
	var problems []Problem
	if p.KeyFile == "" && p.Password == "" {
		problems = append(problems, Problem{"key_file", "is missing: give key_file or password"})
	}
	if p.KeyFile == "" && p.KeyPassphrase != "" {
		problems = append(problems, Problem{"key_passphrase", "is of no use without key_file"})
	}
	if (p.KnownHosts == "") == (p.Fingerprint == "") {
		problems = append(problems, Problem{"known_hosts", "give either known_hosts or fingerprint: a server that is not known is not logged in to"})
	}
	if _, err := signer(p); err != nil {
		problems = append(problems, Problem{"key_file", err.Error()})
	}
	if _, err := knownHost(p); err != nil {
		key := "known_hosts"
		if p.Fingerprint != "" {
			key = "fingerprint"
		}
		problems = append(problems, Problem{key, err.Error()})
	}
	return problems
}
