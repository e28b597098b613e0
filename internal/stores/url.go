package stores

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
)

type opener interface {
	OpenBucketURL(ctx context.Context, u *url.URL) (*blob.Bucket, error)
}

// kinds are the supported schemes.
var kinds = map[string]struct {
	opener opener
	check  func(u *url.URL) error
}{
	// Temporary files stand beside the final ones, so that the rename stays
	// within one file system, and nothing but the files is written.
	"file": {&fileblob.URLOpener{Options: fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite}}, checkFolder},
	"mem":  {&memblob.URLOpener{}, func(*url.URL) error { return nil }},
}

// ParseURL checks a store's URL without opening it.
//
//	file:///data/inbox                   a folder that exists
//	file:///data/reports?create_dir=true a folder that is made when it is missing
//	file://./inbox                       relative to the working directory
//	mem://                               for tests: gone with the process
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

func checkFolder(u *url.URL) error {
	switch {
	case u.Host != "" && u.Host != "localhost" && u.Host != ".":
		return fmt.Errorf("a folder has no host (%s); write file:///absolute/path or file://./relative/path", u.Host)
	case u.User != nil, u.Fragment != "":
		return errors.New("a folder's URL has neither user nor fragment; write file:///absolute/path")
	case strings.Trim(u.Path, "/") == "":
		return errors.New("the folder is missing; write file:///absolute/path or file://./relative/path")
	}
	for key := range u.Query() {
		if key != "create_dir" && key != "dir_file_mode" {
			return fmt.Errorf("the option %q is not supported; supported: create_dir, dir_file_mode", key)
		}
	}
	return nil
}
