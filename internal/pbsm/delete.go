package pbsm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// The calls that delete files are in the guide since 24B, chapter 8. Their answer is one sentence, which a tenant may have
// in its own language; what an unknown id or name is answered, and whether a file is gone at once, no page says. The list
// of files is the proof: any 2xx without a sign of failure counts as an answer.

// DeleteFile deletes the file with an id, and returns the service's text.
// Source: FTP 26C, Deleting a File Using the File ID.
func (c *Client) DeleteFile(ctx context.Context, fileID string) (string, error) {
	segment, err := pathSegment("file id", fileID)
	return ask(ctx, c, c.deletion("of file "+fileID, "deletefile/"+segment), (*response).deleted, err)
}

// DeleteFileByName deletes a file by its name and prefix. Several files can have that name: which of them it deletes, no
// page says. Source: 25D, Deleting a File Using Filename.
func (c *Client) DeleteFileByName(ctx context.Context, name, prefix string) (string, error) {
	segment, err := pathSegment("file name", name)
	r := c.deletion(name, "deletefilename/"+segment)
	if prefix != "" {
		r.query = url.Values{"prefix": {prefix}}
	}
	return ask(ctx, c, r, (*response).deleted, err, checkOptional("prefix", prefix))
}

// DeleteFilesByName deletes files without a prefix by their names, in one call.
// Source: IFRS9 24D, Deleting a File Using Filenames: an array, and no names in the path, as in its example.
func (c *Client) DeleteFilesByName(ctx context.Context, names []string) (string, error) {
	var problems []error
	if len(names) == 0 {
		problems = append(problems, errors.New("there are no file names"))
	}
	for _, name := range names {
		if !fileNamePattern.MatchString(name) {
			problems = append(problems, fmt.Errorf("%q is not the name of a file", oneLine(name, 300)))
		}
	}
	r := c.deletion(strings.Join(names, ", "), "deletefilenames")
	r.body = names
	return ask(ctx, c, r, (*response).deleted, problems...)
}

// DeleteFilesByPrefix deletes every file of a prefix. Whether that is one folder or every name that begins so, no page
// says, nor how a prefix with a slash is written: such a prefix is refused.
// Source: IFRS9 24C, Delete Files Using Prefix Value.
func (c *Client) DeleteFilesByPrefix(ctx context.Context, prefix string) (string, error) {
	segment, err := pathSegment("prefix", prefix)
	return ask(ctx, c, c.deletion("of prefix "+prefix, "deleteprefix/"+segment), (*response).deleted, err)
}

func (c *Client) deletion(subject, path string) call {
	return call{
		name: "delete", subject: oneLine(subject, maxErrorText),
		method: cmp.Or(c.cfg.DeleteMethod, http.MethodPost), path: "/utils-service/v1/file/" + path,
		once: true, ifUnknown: "look for the file in the service's list before you delete it again",
		notFound: "the id or name, and delete_method",
	}
}

func (a *response) deleted() (string, error) {
	said := a.explanation()
	switch {
	case !a.ok() || said.refusal() || a.html || a.damaged:
		return "", a.asError(a.problem)
	case a.statuses().fail():
		return "", a.fail("the response says that nothing was deleted")
	}
	var body struct {
		Payload text `json:"payload"`
	}
	var bare text
	if a.body != nil {
		_ = json.Unmarshal(a.body, &body) // another shape has no sentence
		_ = json.Unmarshal(a.body, &bare)
	}
	return a.text(cmp.Or(string(body.Payload), string(bare), said.String())), nil
}
