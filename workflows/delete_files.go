package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

// goneWithin is how long the service may list a deleted file.
const goneWithin = 10 * time.Minute

// DeleteFiles deletes files of the service: by their ids, by names, everything of a prefix, or what earlier closes sent.
// It succeeds once the service lists none of them.
func DeleteFiles(ctx workflow.Context, in DeleteFilesInput) (DeleteFilesResult, error) {
	if err := in.Validate(); err != nil {
		return DeleteFilesResult{}, endEarly(ctx, in.Connection, err)
	}
	ctx, r, err := newSimpleRun(ctx, in.initialStatus(), noLookups)
	if err != nil {
		return DeleteFilesResult{}, err
	}
	result, err := r.deleteFiles(ctx, in)
	result.EndedAt = workflow.Now(ctx)
	return result, r.end(ctx, result.Summary(), err)
}

func (in DeleteFilesInput) initialStatus() Status {
	return Status{Connection: in.Connection, TimeZone: in.TimeZone, Subject: in.subject(), Deadline: in.Deadline, State: Running, Summary: "about to be deleted"}
}

// subject says in a few words what is to be deleted.
func (in DeleteFilesInput) subject() string {
	switch {
	case len(in.FileIDs) == 1:
		return "file id " + in.FileIDs[0]
	case len(in.FileIDs) > 1:
		return fmt.Sprintf("%d file ids", len(in.FileIDs))
	case len(in.Names) == 1:
		return in.Names[0]
	case len(in.Names) > 1:
		return fmt.Sprintf("%d files", len(in.Names))
	case in.Prefix != "":
		return "prefix " + in.Prefix
	}
	return "files sent up to " + in.SentUntil
}

func (r *simpleRun) deleteFiles(ctx workflow.Context, in DeleteFilesInput) (DeleteFilesResult, error) {
	result := DeleteFilesResult{Connection: in.Connection, StartedAt: r.started}
	switch {
	case len(in.Names) > 0:
		return result, r.deleteByName(ctx, in, &result)
	case in.Prefix != "":
		return result, r.deletePrefix(ctx, in, &result)
	}
	ids := in.FileIDs
	if in.SentUntil != "" {
		var sent activities.SentBefore
		err := r.do(ctx, deleteOptions, "find the files that closes up to "+in.SentUntil+" sent", act.SentBefore, activities.SentBeforeInput{
			Connection: in.Connection,
			Audit:      in.Audit,
			AsOfDate:   in.AsOfDate,
			Until:      in.SentUntil,
		}, &sent)
		if err != nil {
			return result, err
		}
		ids = slices.Compact(slices.Sorted(slices.Values(sent.FileIDs)))
		if result.Audits = sent.Audits; sent.More > 0 {
			result.Note = fmt.Sprintf("%d more are left for the next time", sent.More)
		}
	}
	return result, r.deleteByID(ctx, in.Connection, ids, &result)
}

func (r *simpleRun) deleteByID(ctx workflow.Context, connection string, ids []string, result *DeleteFilesResult) error {
	if len(ids) == 0 {
		return nil
	}
	var done activities.DeletedFiles
	err := r.do(ctx, deleteOptions, fmt.Sprintf("delete %d files", len(ids)), act.DeleteFiles,
		activities.DeleteFilesInput{Connection: connection, FileIDs: ids}, &done)
	if err != nil {
		return err
	}
	result.FileIDs, result.AlreadyGone = done.Deleted, done.Gone
	return r.confirmGone(ctx, connection, ids)
}

// confirmGone waits until the service lists none of the files.
func (r *simpleRun) confirmGone(ctx workflow.Context, connection string, ids []string) error {
	now := workflow.Now(ctx)
	err := r.do(ctx, timed(pollOptions, goneWithin), "wait until the service no longer lists them", act.FilesGone,
		activities.FilesGoneInput{Connection: connection, FileIDs: ids, Poll: activities.Poll{Since: now}}, nil)
	if deadlineHit(err) {
		return failure(StepFailed, fmt.Sprintf("the service still lists files %s after it said that they were deleted%s", goneWithin, lastTried(err)))
	}
	return err
}

// deleteByName deletes files by name and prefix. A name that stands for several listed files is refused: nobody knows
// which one the service would delete.
func (r *simpleRun) deleteByName(ctx workflow.Context, in DeleteFilesInput, result *DeleteFilesResult) error {
	var found activities.FoundFiles
	if err := r.do(ctx, callOptions, "look for "+strings.Join(in.Names, ", "), act.FindFiles,
		activities.FindFilesInput{Connection: in.Connection, Names: in.Names}, &found); err != nil {
		return err
	}
	names, ids, err := uniquely(in.Names, found.Files)
	if err != nil || len(names) == 0 {
		return err
	}
	call := activities.DeleteNamedInput{Connection: in.Connection, Names: names, Prefix: in.Prefix}
	if len(names) > 1 && in.Prefix == "" {
		err = r.deleteNamed(ctx, act.DeleteFilesByName, call, result)
	} else {
		for _, name := range names {
			call.Names = []string{name}
			if err = r.deleteNamed(ctx, act.DeleteFileByName, call, result); err != nil {
				break
			}
		}
	}
	if err != nil {
		return err
	}
	result.FileIDs = ids
	return r.confirmGone(ctx, in.Connection, ids)
}

// uniquely pairs names with the id of the one listed file of that name. Names that are not listed are left out.
func uniquely(wanted []string, listed []activities.File) (names, ids []string, err error) {
	for _, name := range wanted {
		var of []string
		for _, file := range listed {
			if strings.EqualFold(file.Name, name) {
				of = append(of, file.ID)
			}
		}
		switch len(of) {
		case 0:
		case 1:
			names, ids = append(names, name), append(ids, of[0])
		default:
			return nil, nil, failure(InvalidInput, fmt.Sprintf("%s stands for %d files, with the ids %s: delete by id",
				name, len(of), strings.Join(of, ", ")))
		}
	}
	return names, ids, nil
}

// deleteNamed makes a call that must not be repeated. One whose outcome is unknown is no failure here: the list of files
// tells what came of it.
func (r *simpleRun) deleteNamed(ctx workflow.Context, activity any, in activities.DeleteNamedInput, result *DeleteFilesResult) error {
	var answer activities.Deletion
	err := r.do(ctx, submitOptions, "delete "+strings.Join(in.Names, ", "), activity, in, &answer)
	if errorType(err) == activities.OutcomeUnknown {
		result.Note = "the answer was lost; the list of files showed what came of it"
		return nil
	}
	return err
}

func (r *simpleRun) deletePrefix(ctx workflow.Context, in DeleteFilesInput, result *DeleteFilesResult) error {
	var answer activities.Deletion
	var before, after activities.FoundFiles
	count := func(summary string, into *activities.FoundFiles) error {
		return r.do(ctx, callOptions, summary, act.FindFiles, activities.FindFilesInput{Connection: in.Connection}, into)
	}
	if err := count("count the files", &before); err != nil {
		return err
	}
	err := r.do(ctx, submitOptions, "delete everything of prefix "+in.Prefix, act.DeleteFilesByPrefix,
		activities.DeleteNamedInput{Connection: in.Connection, Prefix: in.Prefix}, &answer)
	if err != nil && errorType(err) != activities.OutcomeUnknown {
		return err
	}
	if failed := count("count the files again", &after); failed != nil {
		return failed
	}
	result.Note = fmt.Sprintf("the service listed %d files before, and %d after", before.Listed, after.Listed)
	if err != nil && after.Listed >= before.Listed {
		return failure(activities.OutcomeUnknown, "it is not known whether everything of prefix "+in.Prefix+" was deleted: "+
			result.Note+"; look at the list of files, then start it again if that is still wanted")
	}
	return nil
}
