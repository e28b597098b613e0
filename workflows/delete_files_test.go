package workflows

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/pbsmflow/pbsmflow/activities"
)

// deleting registers the activities of DeleteFiles: listed are the files before and after the call that deletes.
func deleting(env *testsuite.TestWorkflowEnvironment, listed []activities.File, answer error, after int) (calls *[]string) {
	calls = new([]string)
	counted := 0
	called := func(ctx context.Context) { *calls = append(*calls, activity.GetInfo(ctx).ActivityType.Name) }
	once := func(ctx context.Context, _ activities.DeleteNamedInput) (activities.Deletion, error) {
		called(ctx)
		return activities.Deletion{}, answer
	}
	for _, name := range []string{"DeleteFileByName", "DeleteFilesByName", "DeleteFilesByPrefix"} {
		env.RegisterActivityWithOptions(once, activityName(name))
	}
	env.RegisterActivityWithOptions(func(ctx context.Context, in activities.DeleteFilesInput) (activities.DeletedFiles, error) {
		called(ctx)
		return activities.DeletedFiles{Deleted: in.FileIDs}, answer
	}, activityName("DeleteFiles"))
	env.RegisterActivityWithOptions(func(context.Context, activities.FindFilesInput) (activities.FoundFiles, error) {
		counted++
		if counted > 1 {
			return activities.FoundFiles{Listed: after}, nil
		}
		return activities.FoundFiles{Files: listed, Listed: len(listed)}, nil
	}, activityName("FindFiles"))
	env.RegisterActivityWithOptions(func(context.Context, activities.FilesGoneInput) error {
		if after > 0 {
			return temporal.NewApplicationError("the service still lists 1 of 1 deleted files", activities.StillWaiting)
		}
		return nil
	}, activityName("FilesGone"))
	env.RegisterActivityWithOptions(func(context.Context, activities.SentBeforeInput) (activities.SentBefore, error) {
		return activities.SentBefore{FileIDs: []string{"9", "7", "9"}, Audits: 2, More: 3}, nil
	}, activityName("SentBefore"))
	return calls
}

func TestDeleteFiles(t *testing.T) {
	lost := temporal.NewNonRetryableApplicationError("the connection broke", activities.OutcomeUnknown, nil)
	listed := []activities.File{
		{ID: "7", Name: "gl.csv"}, {ID: "8", Name: "Rates.csv"}, {ID: "5", Name: "twice.csv"}, {ID: "6", Name: "Twice.csv"},
	}
	for name, c := range map[string]struct {
		in     DeleteFilesInput
		answer error
		after  int
		calls  []string
		ids    []string
		note   string
		fails  string
	}{
		"by id": {
			in:    DeleteFilesInput{FileIDs: []string{"7", "8"}},
			calls: []string{"DeleteFiles"}, ids: []string{"7", "8"},
		},
		"of closes": {
			in:    DeleteFilesInput{SentUntil: "2026-09-26", Audit: "reports/2026-10-31.jsonl", AsOfDate: "2026-10-31"},
			calls: []string{"DeleteFiles"}, ids: []string{"7", "9"}, note: "3 more are left for the next time",
		},
		"one by name, its case as the list has it": {
			in:    DeleteFilesInput{Names: []string{"rates.csv"}},
			calls: []string{"DeleteFileByName"}, ids: []string{"8"},
		},
		"names with one call": {
			in:    DeleteFilesInput{Names: []string{"gl.csv", "rates.csv"}},
			calls: []string{"DeleteFilesByName"}, ids: []string{"7", "8"},
		},
		"names of a prefix, each": {
			in:    DeleteFilesInput{Names: []string{"gl.csv", "rates.csv"}, Prefix: "p"},
			calls: []string{"DeleteFileByName", "DeleteFileByName"}, ids: []string{"7", "8"},
		},
		"a name that is not there": {in: DeleteFilesInput{Names: []string{"fx.csv"}}},
		"a name of two files": {
			in:    DeleteFilesInput{Names: []string{"twice.csv"}},
			fails: "stands for 2 files, with the ids 5, 6: delete by id",
		},
		"an answer that was lost": {
			in: DeleteFilesInput{Names: []string{"gl.csv"}}, answer: lost,
			calls: []string{"DeleteFileByName"}, ids: []string{"7"}, note: "the answer was lost",
		},
		"lost, and not carried out": {
			in: DeleteFilesInput{Names: []string{"gl.csv"}}, answer: lost, after: 1,
			calls: []string{"DeleteFileByName"}, fails: "the service still lists files 10m0s after it said that they were deleted",
		},
		"a prefix": {
			in: DeleteFilesInput{Prefix: "old", Everything: true}, after: 1,
			calls: []string{"DeleteFilesByPrefix"}, note: "4 files before, and 1 after",
		},
		"a prefix, lost, carried out": {
			in: DeleteFilesInput{Prefix: "old", Everything: true}, answer: lost, after: 1,
			calls: []string{"DeleteFilesByPrefix"}, note: "4 files before, and 1 after",
		},
		"a prefix, lost, unknown": {
			in: DeleteFilesInput{Prefix: "old", Everything: true}, answer: lost, after: 4,
			calls: []string{"DeleteFilesByPrefix"}, fails: "it is not known whether everything of prefix old was deleted",
		},
	} {
		t.Run(name, func(t *testing.T) {
			env := newEnv(t)
			calls := deleting(env, listed, c.answer, c.after)
			c.in.Connection = "prod"
			env.ExecuteWorkflow(DeleteFiles, c.in)
			require.Equal(t, c.calls, *calls, "each is called once")
			if c.fails != "" {
				require.ErrorContains(t, env.GetWorkflowError(), c.fails)
				require.Equal(t, Failed, queryStatus(t, env).State)
				return
			}
			require.NoError(t, env.GetWorkflowError())
			var result DeleteFilesResult
			require.NoError(t, env.GetWorkflowResult(&result))
			require.Equal(t, c.ids, result.FileIDs)
			require.Contains(t, result.Note, c.note)
		})
	}
}
