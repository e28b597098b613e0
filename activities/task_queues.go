package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
)

// ConnectionTaskQueue is the queue of a connection's calls and transfers, beside the workers' own. Only
// the workers that have the connection poll it, and its rate limit applies to all of them together.
func ConnectionTaskQueue(taskQueue, connection string) string { return taskQueue + "/" + connection }

// NeedsConnection reports, by its input, whether an activity belongs on the connection's queue: because
// it calls the service, or, as a transfer does, opens what was sealed with the connection's secret. All
// other activities are on the workers' own queue.
func NeedsConnection(input any) bool {
	switch input.(type) {
	case TriggerBatchInput, RunInput, BatchStatusInput, GenerateReportInput, ReportStatusInput, MigrationInput, MigrationStatusInput,
		CreateUploadPARInput, ScanFileInput, ListFilesInput, ListSentFilesInput, CreateDownloadPARByNameInput, CreateDownloadPARByIDInput,
		DeleteFilesInput, DeleteNamedInput, FindFilesInput, FilesGoneInput, SentBeforeInput, AsOfDateInput, ExportManifestInput,
		PublishedReportPARInput, CopyMigrationInput, PutFileInput, PutFolderInput, GetFileInput, DropTransferInput:
		return true
	}
	return false
}

// ResolveConnectionInput names a connection, and the queue of its activities.
type ResolveConnectionInput struct {
	Connection string `json:"connection"`
	TaskQueue  string `json:"task_queue"`
	// Alone: it was started from outside, and not by a workflow. commands.require_proof refuses that.
	Alone bool `json:"alone,omitempty"`
	Lookups
}

// Lookups are what a workflow wants to know along with its connection. Each saves it an activity.
type Lookups struct {
	// Earlier asks for an earlier start of a batch.
	Earlier *EarlierSubmissionInput `json:"earlier,omitempty"`
	// File asks for a file that is to be uploaded.
	File *StatFileInput `json:"file,omitempty"`
}

// ResolvedConnection is a connection that a worker has.
type ResolvedConnection struct {
	// Refusal is why the workflow must not run; empty: it may.
	Refusal string `json:"refusal,omitempty"`
	// NotifyOn are the events on it that a channel of this worker wants.
	NotifyOn []string `json:"notify_on,omitempty"`
	// AskAfter is how long an activity may fail until that becomes a question. 0: it never does.
	AskAfter time.Duration `json:"ask_after,omitempty"`
	// NoGroupDate says that the tenant takes no as-of date for a whole batch group, as far as this worker knows.
	NoGroupDate bool `json:"no_group_date,omitempty"`
	// Earlier and File answer the lookups. Without an answer, the workflow executes EarlierSubmission or
	// StatFile, which waits, or says what is wrong.
	Earlier *EarlierSubmission `json:"earlier,omitempty"`
	File    *FileInfo          `json:"file,omitempty"`
}

// lookupTimeout is how long a workflow task waits for the lookups.
const lookupTimeout = 3 * time.Second

// ResolveConnection refuses a connection that no worker has: on its queue an activity would wait
// without end. It is a local activity of every workflow that needs a connection.
func (a *Activities) ResolveConnection(ctx context.Context, in ResolveConnectionInput) (ResolvedConnection, error) {
	if in.Alone && a.requireProof {
		return ResolvedConnection{Refusal: "it was started alone, and nothing proves by whom, which commands.require_proof demands: " +
			"run it as a step of a close"}, nil
	}
	problem, err := a.connectionProblem(ctx, in.Connection, in.TaskQueue)
	if problem != "" {
		return ResolvedConnection{}, InvalidInputError(problem)
	}
	resolved := ResolvedConnection{NotifyOn: a.channels.Events(in.Connection), AskAfter: a.askAfter}
	if err != nil {
		return resolved, err
	}
	if conn, ok := a.connections[in.Connection]; ok {
		resolved.NoGroupDate = !conn.config.GroupDate
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	if in.Earlier != nil {
		resolved.Earlier = a.lookUpEarlier(ctx, *in.Earlier)
	}
	if in.File != nil && in.File.StableFor == 0 {
		found, err := a.findMarked(ctx, *in.File)
		if err == nil && found.Size >= in.File.MinSize {
			resolved.File = &found
		}
	}
	return resolved, nil
}

// lookUpEarlier waits briefly until Temporal's list of workflows shows this start.
func (a *Activities) lookUpEarlier(ctx context.Context, in EarlierSubmissionInput) *EarlierSubmission {
	for {
		found, err := a.EarlierSubmission(ctx, in)
		var behind *temporal.ApplicationError
		switch {
		case err == nil:
			return &found
		case !errors.As(err, &behind):
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(listLag):
		}
	}
}

// connectionProblem says what is wrong with a connection that neither this worker has nor, according to
// Temporal, another one. Temporal remembers a worker for minutes after its last poll
// (matching.PollerHistoryTTL), so that a connection whose workers are being replaced is no problem.
func (a *Activities) connectionProblem(ctx context.Context, name, queue string) (string, error) {
	if _, ok := a.connections[name]; ok {
		return "", nil
	}
	described, err := a.temporal.DescribeTaskQueue(ctx, queue, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
	if err != nil {
		return "", fmt.Errorf("list the workers that poll %s: %w", queue, err)
	}
	if len(described.GetPollers()) > 0 {
		return "", nil
	}
	return fmt.Sprintf("no worker has connection %q, nor had it in the last few minutes; this worker has %s", name, a.knownConnections()), nil
}

func (a *Activities) knownConnections() string {
	return strings.Join(slices.Sorted(maps.Keys(a.connections)), ", ")
}
