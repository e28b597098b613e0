package pipeline

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The patterns below in words. An id is fit for workflow ids, file names and environment variables.
const (
	idForm       = `lower-case letters, digits, "-" and "_", at most 63, a letter or digit first`
	fileNameForm = `letters, digits, ".", "_" and "-", at most 255, a letter or digit first, no ".."`
	prefixForm   = `letters, digits, ".", "_", "-" and "/", no ".."`
)

var (
	idPattern     = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	codePattern   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)
	remotePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$`)
	prefixPattern = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*/?$`)
	mimePattern   = regexp.MustCompile(`^([Tt][Ee][Xx][Tt]/([Cc][Ss][Vv]|[Pp][Ll][Aa][Ii][Nn])|[Dd][Aa][Tt])$`) // see pbsm.UploadRequest
	copiedPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{3,30}$`)                                                 // see pbsm.IsCopiedCode
	daysPattern   = regexp.MustCompile(`^[1-9][0-9]{0,3}d$`)
	digits        = regexp.MustCompile(`^[0-9]{1,19}$`)
)

const codeForm = `letters, digits, "_", "." and "-", at most 128, a letter or digit first`

// IsCode reports whether a text has the form of the codes and names that workflow ids consist of.
func IsCode(text string) bool { return codePattern.MatchString(text) }

// CheckCode wants the form of a code.
func CheckCode(code string) error {
	if !IsCode(code) {
		return fmt.Errorf("%s must be %s", quoted(code), codeForm)
	}
	return nil
}

// maxQuoted is how many bytes of a text a problem repeats: the text may be a whole file that is no pipeline.
const maxQuoted = 80

func quoted(text string) string {
	if len(text) > maxQuoted {
		return fmt.Sprintf("%q... (%d bytes)", strings.ToValidUTF8(text[:maxQuoted], ""), len(text))
	}
	return strconv.Quote(text)
}

// Form is a form that texts of a definition have.
type Form struct {
	Pattern string // a regular expression that RE2 and ECMAScript read alike
	Rule    string // the same in words
	Fixed   bool   // no template may stand in for it
}

const (
	durationPattern = `[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+|[+-]?0`
	segmentPattern  = `(/[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*)`
	storePattern    = `^[a-z0-9][a-z0-9_-]{0,62}`
)

// Forms are the forms by the name in the tag jsonschema:"format=NAME", also for verify.Expect. Editors check
// by the pattern, which refuses nothing that [Parse] accepts.
var Forms = map[string]Form{
	"id":        {idPattern.String(), idForm, true},
	"time-zone": {`^[A-Za-z0-9+_-]+(/[A-Za-z0-9+_-]+)*$`, "an IANA name such as America/New_York", true},
	"time": {
		`^([01][0-9]|2[0-3]):[0-5][0-9]$|^(` + durationPattern + `)$`,
		`a time of day such as "05:00", which is the next one in the pipeline's time zone after the close started; ` +
			`or a duration such as 90m, counted from the start`,
		true,
	},
	"duration": {`^(` + durationPattern + `)$`, "a duration such as 90s, 5m or 1h30m", true},
	"store/path": {
		storePattern + segmentPattern + `+$`,
		"a file: the name of a store in pbsm.yaml, then the path in it, no part of which may be empty or start with a dot",
		false,
	},
	"store/path/":  {storePattern + segmentPattern + `+/?$`, "the same, or a folder, which ends with a /", false},
	"store/path//": {storePattern + segmentPattern + `*/$`, "a folder: the name of a store in pbsm.yaml, then the path in it, with a / at its end", false},
	"days":         {daysPattern.String(), "a number of days such as 35d", false},
	"code":         {codePattern.String(), codeForm, false},
	"file-name":    {remotePattern.String(), fileNameForm, false},
	"value":        {valuePattern.String(), valueForm, true},
	"step":         {idPattern.String(), "the id of a step", false},
	"part":         {`\.(yaml|yml|json)$`, "a file of the definition's folder", true},
	"param":        {paramNamePattern.String(), paramNameForm, true},
	"number":       {digits.String(), "digits, at most 19", false},
	"prefix":       {prefixPattern.String(), prefixForm, false},
	"type":         {mimePattern.String(), "Text/CSV, Text/plain or DAT", false},
	"date":         {`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`, "a date, yyyy-mm-dd", false},
	"decimal":      {`^\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*$`, "a decimal such as 1234567.89", false},
	"sha256":       {`^[0-9A-Fa-f]{64}$`, "64 hex digits", false},
	"delimiter":    {`^[\t!#-~]$`, "one character such as ; or |", false},
}

func validID(text string) bool { return idPattern.MatchString(text) }
