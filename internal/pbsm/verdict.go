package pbsm

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"
)

// Some calls have no documented response, or one sentence in any language. What they report is in fields that are named
// like a status, at any depth; a sentence is never judged, because "no virus was found" has the words of its opposite.

// statuses are the values of a response's status-like fields, each as its lower-case words.
type statuses [][]string

const (
	maxDepth    = 6
	maxStatuses = 200
	maxWord     = 80 // bytes of a value that can be a status; a longer one is a sentence
)

// statuses collects them. A payload, or a whole response, that is one word counts, too.
func (a *response) statuses() statuses {
	if a.body == nil {
		return statuses(nil).collect("payload", a.excerpt, maxDepth)
	}
	var body any
	_ = json.Unmarshal(a.body, &body)
	return statuses(nil).collect("payload", body, maxDepth)
}

func (s statuses) collect(name string, value any, depth int) statuses {
	if depth == 0 || len(s) > maxStatuses {
		return s
	}
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			s = s.collect(key, inner, depth-1)
		}
	case []any:
		for _, inner := range value {
			s = s.collect(name, inner, depth-1)
		}
	case string:
		switch key := words(name); {
		case slices.ContainsFunc(key, isStatusName):
			s = s.add(value)
		case name == "payload" && !strings.ContainsFunc(value, unicode.IsSpace):
			s = s.add(value)
		case value == "true" || strings.EqualFold(value, "yes") || strings.EqualFold(value, "y"):
			s = s.flag(key)
		}
	case bool:
		if value {
			s = s.flag(words(name))
		}
	}
	return s
}

func (s statuses) add(value string) statuses {
	if len(value) > maxWord {
		return s
	}
	return append(s, words(value))
}

// flag adds a field that is true, such as infected or virusFound. One with other words after the bad one, such as
// virusScan, says nothing.
func (s statuses) flag(name []string) statuses {
	if n := len(name); n > 0 && (isBad(name[n-1]) || n > 1 && isBad(name[n-2]) && slices.Contains(found, name[n-1])) {
		return append(s, name)
	}
	return s
}

var (
	statusNames = []string{"status", "state", "result", "results", "verdict", "outcome", "code"}
	found       = []string{"found", "detected"}
	badWords    = []string{"infect", "malware", "malicious", "virus", "trojan", "threat", "quarantin", "reject", "unsafe", "unclean"}
	negations   = []string{"no", "not", "non", "never", "without", "zero", "0"}
	fillers     = []string{"a", "any", "known", "been"} // between a negation and its word
	harmless    = []string{"free", "scan", "scanned", "scanning", "check", "checked"}
	running     = []string{
		"in progress", "in process", "inprogress", "inprocess", "pending", "running", "ongoing", "queued", "scanning",
		"processing", "waiting", "scheduled", "not started", "scan in progress", "scan pending", "scan queued", "scan running",
	}
)

func isStatusName(word string) bool {
	return slices.ContainsFunc(statusNames, func(name string) bool { return strings.HasSuffix(word, name) })
}

func isBad(word string) bool {
	return slices.ContainsFunc(badWords, func(bad string) bool { return strings.HasPrefix(word, bad) })
}

// infected reports whether a status says that something bad was found: INFECTED and VIRUS_FOUND, but not NO_VIRUS_FOUND,
// NOT_INFECTED, VIRUS_FREE or VIRUS_SCAN_PASSED.
func (s statuses) infected() bool {
	return slices.ContainsFunc(s, func(status []string) bool {
		for i, word := range status {
			if isBad(word) && !negated(status[:i]) && (i+1 == len(status) || !slices.Contains(harmless, status[i+1])) {
				return true
			}
		}
		return false
	})
}

// fail reports whether a status says that something failed: FAILED, ERROR and SCAN_FAILED, but not NO_ERROR.
func (s statuses) fail() bool {
	return slices.ContainsFunc(s, func(status []string) bool {
		for i, word := range status {
			if (strings.HasPrefix(word, "fail") || strings.HasPrefix(word, "err")) && !negated(status[:i]) {
				return true
			}
		}
		return false
	})
}

// inProgress reports whether a status says that the work has not ended.
func (s statuses) inProgress() bool {
	return slices.ContainsFunc(s, func(status []string) bool { return slices.Contains(running, strings.Join(status, " ")) })
}

func negated(before []string) bool {
	for _, word := range slices.Backward(before) {
		if !slices.Contains(fillers, word) {
			return slices.Contains(negations, word)
		}
	}
	return false
}

// words are the lower-case words of a name or value, however it separates them: inProgress, IN_PROGRESS, In Progress.
func words(s string) []string {
	var out strings.Builder
	lower := false
	for _, r := range s {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			out.WriteByte(' ')
		case unicode.IsUpper(r) && lower:
			out.WriteByte(' ')
			fallthrough
		default:
			out.WriteRune(unicode.ToLower(r))
		}
		lower = unicode.IsLower(r)
	}
	return strings.Fields(out.String())
}
