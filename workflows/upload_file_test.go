package workflows

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/transfer"
	"github.com/pbsmflow/pbsmflow/internal/verify"
)

// The check counts the records of a file; the upload only counts its line ends.
func TestUploadFile_rowsAreThoseOfTheCheck(t *testing.T) {
	const sum = "ab"
	for name, c := range map[string]struct {
		expect *Expect
		rows   int64
	}{
		"checked":     {&Expect{MinRows: new(int64)}, 2},
		"not checked": {nil, 3},
	} {
		t.Run(name, func(t *testing.T) {
			env := newEnv(t)
			env.RegisterActivityWithOptions(func(_ context.Context, in activities.StatFileInput) (activities.FileInfo, error) {
				return activities.FileInfo{File: in.File, Size: 21}, nil
			}, activityName("StatFile"))
			env.RegisterActivityWithOptions(func(context.Context, activities.VerifyFileInput) (verify.Figures, error) {
				return verify.Figures{Bytes: 21, Rows: new(int64(2)), SHA256: sum}, nil
			}, activityName("VerifyFile"))
			env.RegisterActivityWithOptions(func(context.Context, activities.CreateUploadPARInput) (activities.UploadPAR, error) {
				return activities.UploadPAR{FileID: "7"}, nil
			}, activityName("CreateUploadPAR"))
			env.RegisterActivityWithOptions(func(context.Context, activities.PutFileInput) (activities.TransferResult, error) {
				return activities.TransferResult{Result: transfer.Result{Bytes: 21, Rows: new(int64(3)), SHA256: sum}}, nil
			}, activityName("PutFile"))
			env.RegisterActivityWithOptions(func(context.Context, activities.ListFilesInput) (activities.File, error) {
				return activities.File{}, nil
			}, activityName("ListFiles"))
			env.ExecuteWorkflow(UploadFile, UploadFileInput{Connection: "prod", File: "inbox/gl.dat", Expect: c.expect})
			require.NoError(t, env.GetWorkflowError())
			var result FileResult
			require.NoError(t, env.GetWorkflowResult(&result))
			require.EqualValues(t, c.rows, *result.Rows)
			require.Equal(t, c.expect != nil, result.Verified)
		})
	}
}

// The check of the new version must not be compared with the check of the old one.
func TestUploadFile_verifiesAgainWhenTheFileChanged(t *testing.T) {
	env := newEnv(t)
	uploads := 0
	sum := func() string { return fmt.Sprint("version ", min(uploads, 1)) }
	env.RegisterActivityWithOptions(func(_ context.Context, in activities.StatFileInput) (activities.FileInfo, error) {
		return activities.FileInfo{File: in.File}, nil
	}, activityName("StatFile"))
	env.RegisterActivityWithOptions(func(context.Context, activities.VerifyFileInput) (verify.Figures, error) {
		return verify.Figures{SHA256: sum()}, nil
	}, activityName("VerifyFile"))
	env.RegisterActivityWithOptions(func(context.Context, activities.CreateUploadPARInput) (activities.UploadPAR, error) {
		return activities.UploadPAR{FileID: "7"}, nil
	}, activityName("CreateUploadPAR"))
	env.RegisterActivityWithOptions(func(context.Context, activities.PutFileInput) (activities.TransferResult, error) {
		if uploads++; uploads == 1 {
			return activities.TransferResult{}, temporal.NewNonRetryableApplicationError("inbox/gl.csv changed", activities.FileChanged, nil)
		}
		return activities.TransferResult{Result: transfer.Result{SHA256: sum()}}, nil
	}, activityName("PutFile"))
	env.RegisterActivityWithOptions(func(context.Context, activities.ListFilesInput) (activities.File, error) {
		return activities.File{}, nil
	}, activityName("ListFiles"))
	env.ExecuteWorkflow(UploadFile, UploadFileInput{Connection: "prod", File: "inbox/gl.csv", Expect: &Expect{MinRows: new(int64)}})
	require.NoError(t, env.GetWorkflowError())
	var result FileResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, "version 1", result.SHA256)
	require.Equal(t, "uploaded again from the start: inbox/gl.csv changed", result.Note)
}

// A file that the service would refuse as empty is not complete yet; a marker may be empty.
func TestUploadFile_emptyFileIsNotComplete(t *testing.T) {
	for file, want := range map[string]int64{"inbox/gl.csv": 2, "inbox/in/": 0} {
		t.Run(file, func(t *testing.T) {
			env := newEnv(t)
			env.RegisterActivityWithOptions(func(_ context.Context, in activities.StatFileInput) (activities.FileInfo, error) {
				require.Equal(t, want, in.MinSize)
				return activities.FileInfo{}, temporal.NewNonRetryableApplicationError("seen", activities.FileMissing, nil)
			}, activityName("StatFile"))
			env.ExecuteWorkflow(UploadFile, UploadFileInput{Connection: "prod", File: file, Marker: "inbox/DONE"})
			require.ErrorContains(t, env.GetWorkflowError(), "seen")
		})
	}
	lookup := UploadFileInput{Connection: "prod", File: "inbox/gl.csv"}
	env := newEnv(t)
	env.ExecuteWorkflow(func(ctx workflow.Context) (int64, error) { return lookup.lookups(ctx).File.MinSize, nil })
	var minSize int64
	require.NoError(t, env.GetWorkflowResult(&minSize))
	require.EqualValues(t, 2, minSize)
}

func TestUploadFile_folder(t *testing.T) {
	env := newEnv(t)
	env.RegisterActivityWithOptions(func(_ context.Context, in activities.StatFileInput) (activities.FileInfo, error) {
		return activities.FileInfo{File: in.File}, nil
	}, activityName("StatFile"))
	var uploaded activities.PutFolderInput
	env.RegisterActivityWithOptions(func(_ context.Context, in activities.PutFolderInput) (activities.TransferResult, error) {
		uploaded = in
		return activities.TransferResult{Result: transfer.Result{Files: 1, LeftOut: []string{".DS_Store", "Thumbs.db"}}}, nil
	}, activityName("PutFolder"))
	env.RegisterActivityWithOptions(func(context.Context, activities.ListSentFilesInput) error { return nil }, activityName("ListSentFiles"))
	until := start.Add(time.Hour)
	env.ExecuteWorkflow(UploadFile, UploadFileInput{Connection: "prod", File: "inbox/in/", Marker: "inbox/in/DONE", WaitUntil: until})
	require.NoError(t, env.GetWorkflowError())
	var result FileResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, "left out: .DS_Store, Thumbs.db", result.Note)
	require.True(t, until.Equal(uploaded.WaitUntil))
	require.Equal(t, "inbox/in/DONE", uploaded.Marker)
}

// The deadline may be that of the whole close, and earlier than WaitUntil.
func TestUploadFile_waitsNoLongerThanTheDeadline(t *testing.T) {
	env := newEnv(t)
	env.RegisterActivityWithOptions(func(_ context.Context, in activities.StatFileInput) (activities.FileInfo, error) {
		if in.Last {
			return activities.FileInfo{}, temporal.NewNonRetryableApplicationError("inbox/gl.csv is missing", activities.FileMissing, nil)
		}
		return activities.FileInfo{}, temporal.NewApplicationErrorWithOptions("not there", activities.StillWaiting, temporal.ApplicationErrorOptions{
			NextRetryDelay: 30 * time.Minute, Category: temporal.ApplicationErrorCategoryBenign,
		})
	}, activityName("StatFile"))
	env.ExecuteWorkflow(UploadFile, UploadFileInput{Connection: "prod", File: "inbox/gl.csv", WaitUntil: start.Add(4 * time.Hour), Deadline: start.Add(time.Hour)})
	require.Equal(t, activities.FileMissing, errorType(env.GetWorkflowError()))
	require.LessOrEqual(t, env.Now().Sub(start), time.Hour+time.Minute)
}
