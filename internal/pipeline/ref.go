package pipeline

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ParseRef takes a reference, "store/path/in/store", apart. A path stays in
// its store: it has no empty segments, none that starts with a dot ("..",
// ".hidden"), no backslash and no control characters.
func ParseRef(ref string) (store, path string, err error) {
	store, path, ok := strings.Cut(ref, "/")
	switch {
	case ref == "":
		return "", "", fmt.Errorf("is missing; write STORE/PATH")
	case !ok || !validID(store):
		return "", "", fmt.Errorf("%q is not a reference; write STORE/PATH, the store by its name in the configuration", ref)
	case len(path) > 1024:
		return "", "", fmt.Errorf("the path of %.40q... is longer than 1024 bytes", ref)
	case !utf8.ValidString(path) || strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }):
		return "", "", fmt.Errorf("%q holds a backslash or characters that cannot be printed", ref)
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment[0] == '.' {
			return "", "", fmt.Errorf("%q leaves its store or is hidden: no part of the path may be empty or start with a dot", ref)
		}
	}
	return store, path, nil
}
