package pipeline

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ParseRef splits a reference, "store/path/in/store". A path stays in its store: it has no empty segments,
// none that starts with a dot ("..", ".hidden"), no backslash and no control characters.
func ParseRef(ref string) (store, path string, err error) {
	store, path, ok := strings.Cut(ref, "/")
	switch {
	case ref == "":
		return "", "", fmt.Errorf("is missing; write STORE/PATH")
	case !ok || !validID(store):
		return "", "", fmt.Errorf(
			"%q is not a file of a store; write STORE/PATH, where STORE is a name from the configuration", ref)
	case len(path) > 1024:
		return "", "", fmt.Errorf("the path of %.40q... is longer than 1024 bytes", ref)
	case !utf8.ValidString(path) || strings.ContainsFunc(path, isForbidden):
		return "", "", fmt.Errorf("%q contains a backslash or unprintable characters", ref)
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment[0] == '.' {
			return "", "", fmt.Errorf(
				"%q points outside its store or to a hidden file: no part of the path may be empty or start with a dot", ref)
		}
	}
	return store, path, nil
}

func isForbidden(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }
