package workflows

import "slices"

// Workflow types, as the Temporal UI and CLI spell them.
const (
	NightlyCloseType   = "NightlyClose"
	RunBatchType       = "RunBatch"
	GenerateReportType = "GenerateReport"
	UploadFileType     = "UploadFile"
	DownloadFileType   = "DownloadFile"
	MigrateType        = "Migrate"
	DeleteFilesType    = "DeleteFiles"
	SetAsOfDateType    = "SetAsOfDate"
	ExportDataType     = "ExportData"
	ScheduledCloseType = "ScheduledClose"
)

// The starter's nouns of the workflows whose ids have no form.
const (
	FileNoun    = "file"
	ReportNoun  = "report"
	MigrateNoun = "migrate"

	AsOfDateNoun   = "as-of-date"
	ExportDataNoun = "export-data"
)

// WorkflowType describes a workflow of this package.
type WorkflowType struct {
	Name string
	// Noun is the starter's noun for it.
	Noun string
	// TakesCommands marks a workflow that asks questions, and takes commands: those of its noun.
	TakesCommands bool

	newResult func() any
	function  any
}

// WorkflowTypes lists every workflow of this package: what a worker registers, what metrics count,
// what queries select, and what the starter shows and decodes. It is a function because the
// workflows refer to it themselves.
func WorkflowTypes() []WorkflowType {
	return []WorkflowType{
		{NightlyCloseType, CloseKind, true, result[NightlyCloseResult], NightlyClose},
		{RunBatchType, BatchKind, true, result[RunBatchResult], RunBatch},
		{GenerateReportType, ReportNoun, true, result[GenerateReportResult], GenerateReport},
		{UploadFileType, FileNoun, true, result[FileResult], UploadFile},
		{DownloadFileType, FileNoun, true, result[FileResult], DownloadFile},
		{MigrateType, MigrateNoun, true, result[MigrateResult], Migrate},
		{DeleteFilesType, FileNoun, true, result[DeleteFilesResult], DeleteFiles},
		{SetAsOfDateType, AsOfDateNoun, true, result[SetAsOfDateResult], SetAsOfDate},
		{ExportDataType, ExportDataNoun, true, result[ExportDataResult], ExportData},
		{ScheduledCloseType, ScheduleKind, false, result[ScheduledCloseResult], ScheduledClose},
	}
}

func result[T any]() any { return new(T) }

// TypeByName finds a workflow type; ok is false for a workflow of another program.
func TypeByName(name string) (t WorkflowType, ok bool) {
	types := WorkflowTypes()
	i := slices.IndexFunc(types, func(t WorkflowType) bool { return t.Name == name })
	if i < 0 {
		return WorkflowType{}, false
	}
	return types[i], true
}

// NewResult makes the pointer that the result of a workflow type decodes into; nil for a workflow of another program.
func NewResult(workflowType string) any {
	t, ok := TypeByName(workflowType)
	if !ok {
		return nil
	}
	return t.newResult()
}

// typeNames lists the names of the workflow types.
func typeNames() []string { return names(WorkflowTypes(), typeName) }

// CommandTypes lists the names of the workflow types that ask questions and take commands.
func CommandTypes() []string {
	without := func(t WorkflowType) bool { return !t.TakesCommands }
	return names(slices.DeleteFunc(WorkflowTypes(), without), typeName)
}

func typeName(t WorkflowType) string { return t.Name }

func names[T any](table []T, name func(T) string) (list []string) {
	for _, entry := range table {
		list = append(list, name(entry))
	}
	return list
}

// EndState returns the state in which the workflow of a result ended. A result without one returns
// the empty state: its workflow fails without it.
func EndState(result any) State {
	if r, ok := result.(interface{ endState() State }); ok {
		return r.endState()
	}
	return ""
}

func (r *NightlyCloseResult) endState() State   { return r.State }
func (r *RunBatchResult) endState() State       { return r.State }
func (r *ScheduledCloseResult) endState() State { return r.State }

// TimeZoneOf returns the IANA zone in which operators read the times of a result; empty is UTC.
func TimeZoneOf(result any) string {
	switch r := result.(type) {
	case *NightlyCloseResult:
		return r.TimeZone
	case *RunBatchResult:
		return r.TimeZone
	case *ScheduledCloseResult:
		if r.Close != nil {
			return r.Close.TimeZone
		}
	}
	return ""
}
