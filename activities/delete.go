package activities

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// DeleteFilesInput names files by their ids. Source: 24B, chapter 8.
type DeleteFilesInput struct {
	Connection string   `json:"connection"`
	FileIDs    []string `json:"file_ids"`
}

// DeletedFiles are the ids that a call has deleted, and those that were gone before.
type DeletedFiles struct {
	Deleted []string `json:"deleted,omitempty"`
	// Gone are the ids that the service did not list any more, although no call of this activity deleted them for sure:
	// they were deleted before, or the answer was lost.
	Gone []string `json:"gone,omitempty"`
}

// DeleteNamedInput deletes by names, or everything of a prefix.
type DeleteNamedInput struct {
	Connection string `json:"connection"`
	// Names are file names; Prefix is their folder at the service.
	Names  []string `json:"names,omitempty"`
	Prefix string   `json:"prefix,omitempty"`
}

// Deletion is the service's answer.
type Deletion struct {
	Text string `json:"text"`
}

// FindFilesInput asks for the ids of names.
type FindFilesInput struct {
	Connection string   `json:"connection"`
	Names      []string `json:"names,omitempty"`
}

// FoundFiles are the listed files with the names.
type FoundFiles struct {
	Files []File `json:"files,omitempty"`
	// Listed is the number of all files.
	Listed int `json:"listed"`
}

// FilesGoneInput names files that the service must not list any more.
type FilesGoneInput struct {
	Connection string   `json:"connection"`
	FileIDs    []string `json:"file_ids"`
	Poll
}

// SentBeforeInput asks for the files that earlier closes sent, by their audit files.
type SentBeforeInput struct {
	Connection string `json:"connection"`
	// Audit is the audit file, "store/path", of the close for AsOfDate; those of earlier closes have their date instead.
	Audit    string `json:"audit"`
	AsOfDate string `json:"as_of_date"`
	// Until is the last as-of date, yyyy-mm-dd, of the closes whose files are returned.
	Until string `json:"until"`
}

// SentBefore are files of earlier closes that the service still lists.
type SentBefore struct {
	FileIDs []string `json:"file_ids,omitempty"`
	// Audits is the number of audit files that were read.
	Audits int `json:"audits"`
	// More is the number of files beyond the most that are returned at once.
	More int `json:"more,omitempty"`
}

// DeleteFiles deletes files by their ids, one after the other. Deleting one again does no harm. A file whose answer was
// lost, or may mean that there is no such file, is looked up in the service's list: one that is not there counts as gone.
func (a *Activities) DeleteFiles(ctx context.Context, in DeleteFilesInput) (DeletedFiles, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return DeletedFiles{}, err
	}
	var done deletions
	if activity.HasHeartbeatDetails(ctx) {
		_ = activity.GetHeartbeatDetails(ctx, &done) // what cannot be read begins anew
	}
	for _, id := range in.FileIDs[len(done.Deleted)+len(done.Gone):] {
		if err := conn.folderPace.Wait(ctx); err != nil {
			return done.DeletedFiles, err
		}
		if err := done.delete(ctx, conn, id); err != nil {
			return done.DeletedFiles, classifyCall(ctx, err)
		}
		activity.RecordHeartbeat(ctx, done)
	}
	return done.DeletedFiles, nil
}

// deletions is the heartbeat of DeleteFiles.
type deletions struct {
	DeletedFiles
	// Sent is the id of a call that may have been carried out although nothing answered it.
	Sent string `json:"sent,omitempty"`
}

// delete deletes one file. A refusal that may mean that there is no such file, after a call of unknown outcome, shows
// that the earlier call has deleted it: the list may show it for a while, and FilesGone waits for that.
func (d *deletions) delete(ctx context.Context, conn *connection, id string) error {
	sentBefore := d.Sent == id
	d.Sent = id
	activity.RecordHeartbeat(ctx, d)
	_, err := conn.service.DeleteFile(ctx, id)
	var e *pbsm.Error
	switch {
	case err == nil:
		d.Deleted = append(d.Deleted, id)
		return nil
	case !errors.As(err, &e) || ctx.Err() != nil:
		return err
	case e.NotProcessed && !sentBefore:
		d.Sent = ""
		activity.RecordHeartbeat(ctx, d)
	}
	if !shownByTheList(e) {
		return err
	}
	listed, failed := conn.service.ListFiles(ctx, "")
	switch {
	case failed != nil:
		return err
	case len(among([]string{id}, listed)) == 0:
		d.Gone = append(d.Gone, id)
	case sentBefore && e.NotProcessed:
		activity.GetLogger(ctx).Warn("a file is still listed although an earlier call has deleted it", "file_id", id, "error", err)
		d.Deleted = append(d.Deleted, id)
	default:
		return err
	}
	return nil
}

// shownByTheList reports whether the list of files shows what came of a deletion that failed: nothing answered it, or
// the answer may mean that there is no such file. A gateway's page and a refusal of the user or of the method are
// answers about something else.
func shownByTheList(e *pbsm.Error) bool {
	unanswered := !e.NotProcessed && !e.Page && e.HTTPStatus/100 != 3
	return unanswered || e.MayMeanMissing()
}

// DeleteFileByName deletes a file by its name and prefix, at most once: a file of that name may be uploaded between two
// calls.
func (a *Activities) DeleteFileByName(ctx context.Context, in DeleteNamedInput) (Deletion, error) {
	if len(in.Names) != 1 {
		return Deletion{}, InvalidInputError("names: exactly one is deleted at a time")
	}
	return a.deleteOnce(ctx, in.Connection, in.Names[0], func(ctx context.Context, service *pbsm.Client) (string, error) {
		return service.DeleteFileByName(ctx, in.Names[0], in.Prefix)
	})
}

// DeleteFilesByName deletes files without a prefix by their names, at most once.
func (a *Activities) DeleteFilesByName(ctx context.Context, in DeleteNamedInput) (Deletion, error) {
	return a.deleteOnce(ctx, in.Connection, strings.Join(in.Names, ", "), func(ctx context.Context, service *pbsm.Client) (string, error) {
		return service.DeleteFilesByName(ctx, in.Names)
	})
}

// DeleteFilesByPrefix deletes everything of a prefix, at most once.
func (a *Activities) DeleteFilesByPrefix(ctx context.Context, in DeleteNamedInput) (Deletion, error) {
	return a.deleteOnce(ctx, in.Connection, "prefix "+in.Prefix, func(ctx context.Context, service *pbsm.Client) (string, error) {
		return service.DeleteFilesByPrefix(ctx, in.Prefix)
	})
}

func (a *Activities) deleteOnce(
	ctx context.Context, connection, what string, call func(context.Context, *pbsm.Client) (string, error),
) (Deletion, error) {
	run, err := a.submitOnce(ctx, connection, "the deletion of "+what, func(ctx context.Context, service *pbsm.Client) (pbsm.Run, error) {
		text, err := call(ctx, service)
		return pbsm.Run{Details: text}, err
	})
	return Deletion{Text: run.Text}, err
}

// maxFound is the number of files that a history takes in one result.
const maxFound = 1000

// FindFiles returns the listed files with one of the names, whatever their prefix: the list has none.
func (a *Activities) FindFiles(ctx context.Context, in FindFilesInput) (FoundFiles, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return FoundFiles{}, err
	}
	listed, err := conn.service.ListFiles(ctx, "")
	if err != nil {
		return FoundFiles{}, classifyCall(ctx, err)
	}
	wanted := map[string]bool{}
	for _, name := range in.Names {
		wanted[strings.ToLower(name)] = true // the list may spell it differently
	}
	found := FoundFiles{Listed: len(listed)}
	for _, f := range listed {
		if wanted[strings.ToLower(f.Name)] && len(found.Files) < maxFound {
			found.Files = append(found.Files, File{ID: f.ID, Name: f.Name, UploadDate: f.UploadDate, Stripe: f.StripeName})
		}
	}
	return found, nil
}

// FilesGone returns once the service lists none of the files.
func (a *Activities) FilesGone(ctx context.Context, in FilesGoneInput) error {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return err
	}
	listed, err := conn.service.ListFiles(ctx, "")
	if err != nil {
		return a.classifyPoll(ctx, in.Since, err)
	}
	there := among(in.FileIDs, listed)
	if len(there) > 0 {
		return a.stillWaiting(ctx, in.Since, "the service still lists %d of %d deleted files, such as file id %s",
			len(there), len(in.FileIDs), there[0])
	}
	return nil
}

// among are those ids that are listed.
func among(ids []string, listed []pbsm.File) (there []string) {
	known := map[string]bool{}
	for _, file := range listed {
		known[file.ID] = true
	}
	for _, id := range ids {
		if known[id] {
			there = append(there, id)
		}
	}
	return there
}

// lookBack is how many days before the last one are looked through: closes that were tidied before have nothing left.
const lookBack = 92

// SentBefore finds the files that earlier closes sent, by the audit files that they left in their stores, and that the
// service still lists. The service's own list has neither a prefix nor a date with a zone.
func (a *Activities) SentBefore(ctx context.Context, in SentBeforeInput) (SentBefore, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return SentBefore{}, err
	}
	until, err := time.Parse(time.DateOnly, in.Until)
	if err != nil {
		return SentBefore{}, InvalidInputError("until: " + in.Until + " is not a date as yyyy-mm-dd")
	}
	var result SentBefore
	var ids []string
	for _, date := range earlierDates(until) {
		file := forDate(in.Audit, in.AsOfDate, date)
		if file == in.Audit {
			return SentBefore{}, InvalidInputError(in.Audit + " has no as-of date in its name, so that one file holds all " +
				"closes: give the pipeline an audit file for each date, such as reports/{{.AsOfDate}}/audit.jsonl")
		}
		sent, err := a.sentIn(ctx, conn, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return SentBefore{}, classifyStore(ctx, err)
		}
		result.Audits++
		ids = append(ids, sent...)
		activity.RecordHeartbeat(ctx, date)
	}
	listed, err := conn.service.ListFiles(ctx, "")
	if err != nil {
		return SentBefore{}, classifyCall(ctx, err)
	}
	result.FileIDs = among(ids, listed)
	if n := len(result.FileIDs); n > maxFound {
		result.FileIDs, result.More = result.FileIDs[:maxFound], n-maxFound
	}
	return result, nil
}

// earlierDates are the days that are looked through, oldest first.
func earlierDates(until time.Time) (dates []string) {
	for n := lookBack; n >= 0; n-- {
		dates = append(dates, until.AddDate(0, 0, -n).Format(time.DateOnly))
	}
	return dates
}

// forDate is the name of a file for another date. It may have the date with or without hyphens.
func forDate(file, asOf, date string) string {
	compact := func(text string) string { return strings.ReplaceAll(text, "-", "") }
	return strings.NewReplacer(asOf, date, compact(asOf), compact(date)).Replace(file)
}

// sentIn are the ids of the files that an audit file records as sent. One that is damaged is no proof of anything.
func (a *Activities) sentIn(ctx context.Context, conn *connection, file string) (ids []string, err error) {
	text, err := a.readAtMost(ctx, file, maxAudit)
	if err != nil {
		return nil, err
	}
	if _, err := audit.Verify(bytes.NewReader(text)); err != nil {
		message := fmt.Sprintf("%s is damaged: %v; nothing is deleted on its word", file, err)
		return nil, temporal.NewNonRetryableApplicationError(message, Refused, nil)
	}
	sent, err := audit.SentFiles(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	for _, f := range sent {
		if f.FileID != "" {
			ids = append(ids, f.FileID)
		}
		if f.ListedIn == "" {
			continue
		}
		listed, err := a.mover(conn, Application{}).SentFiles(ctx, f.ListedIn)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the list was tidied away
		}
		if err != nil {
			return nil, err
		}
		for _, one := range listed {
			ids = append(ids, one.FileID)
		}
	}
	return ids, nil
}
