package workflows

import (
	"crypto/rand"
	"encoding/hex"
	"regexp"
	"strings"
	"time"
)

// Kinds of ids, which are their first part.
const (
	CloseKind    = "close"
	BatchKind    = "batch"
	ScheduleKind = "schedule"
)

// ID is a parsed id of a close, a step of a close, a batch or a schedule.
type ID struct {
	Kind       string
	Connection string
	// Name is a pipeline, or the code of a batch.
	Name string
	// AsOfDate is empty for a schedule.
	AsOfDate string
	// Suffix is what follows: the key of a batch or a schedule, the key of a close or a step of it (or both), the
	// dates of a backfill.
	Suffix string
}

func (id ID) String() string {
	text := strings.Join([]string{id.Kind, id.Connection, id.Name}, "/")
	for _, part := range []string{id.AsOfDate, id.Suffix} {
		if part != "" {
			text += "/" + part
		}
	}
	return text
}

// ParseID parses an id that this package builds; ok is false for any other.
func ParseID(text string) (id ID, ok bool) {
	kind, rest, _ := strings.Cut(text, "/")
	required := map[string]int{CloseKind: 3, BatchKind: 3, ScheduleKind: 2}[kind]
	parts := strings.SplitN(rest, "/", required+1)
	if required == 0 || len(parts) < required {
		return ID{}, false
	}
	id = ID{Kind: kind, Connection: parts[0], Name: parts[1]}
	if kind != ScheduleKind {
		id.AsOfDate = parts[2]
	}
	if len(parts) > required {
		id.Suffix = parts[required]
	}
	return id, id.Connection != "" && id.Name != ""
}

// CloseWorkflowID is the id of a close: two closes for the same date cannot run at once.
func CloseWorkflowID(connection, pipeline, asOfDate string) string {
	return KeyedCloseWorkflowID(connection, pipeline, asOfDate, "")
}

// KeyedCloseWorkflowID is the id of a close with a key: a close for the same date with other parameters. Without a
// key it is [CloseWorkflowID].
func KeyedCloseWorkflowID(connection, pipeline, asOfDate, key string) string {
	return ID{Kind: CloseKind, Connection: connection, Name: pipeline, AsOfDate: asOfDate, Suffix: key}.String()
}

// StepWorkflowID is the id of a step of a close that is not a batch.
func StepWorkflowID(closeID, step string) string { return closeID + "/" + step }

// BatchWorkflowID is the id of one submission of a batch or a batch group. The key may be empty.
func BatchWorkflowID(connection, code, asOfDate, key string) string {
	return ID{Kind: BatchKind, Connection: connection, Name: code, AsOfDate: asOfDate, Suffix: key}.String()
}

// ScheduleID is the id of the schedule of a pipeline's closes.
func ScheduleID(connection, pipeline string) string { return KeyedScheduleID(connection, pipeline, "") }

// KeyedScheduleID is the id of the schedule of a pipeline's closes with a key.
func KeyedScheduleID(connection, pipeline, key string) string {
	return ID{Kind: ScheduleKind, Connection: connection, Name: pipeline, Suffix: key}.String()
}

const backfillSuffix = "backfill/"

// BackfillID is the id of the schedule that backfills another one, from a date to a date.
func BackfillID(scheduleID, from, to string) string {
	if id, ok := ParseID(scheduleID); ok {
		id.Suffix = id.Key()
		scheduleID = id.String()
	}
	return scheduleID + "/" + backfillSuffix + from + ".." + to
}

// IsBackfill reports whether it is the id of a backfill's schedule.
func (id ID) IsBackfill() bool {
	return id.Kind == ScheduleKind && strings.Contains("/"+id.Suffix, "/"+backfillSuffix)
}

// Key is the key of a close, a batch or a schedule. A step of a close has an id of the same form as a close with a
// key; ask only about the id of a close.
func (id ID) Key() string {
	if !id.IsBackfill() {
		return id.Suffix
	}
	key, _, _ := strings.Cut("/"+id.Suffix, "/"+backfillSuffix)
	return strings.TrimPrefix(key, "/")
}

// ScheduledCloseID is the id of the workflows that a schedule starts; Temporal appends the scheduled time.
func ScheduledCloseID(scheduleID string) string {
	return "night" + strings.TrimPrefix(scheduleID, ScheduleKind)
}

// notInID matches what a shell could take for something else, since commands to copy contain ids.
var notInID = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// uniqueID is the id of a workflow that may run any number of times at once. A part may be a file name.
func uniqueID(now time.Time, parts ...string) string {
	for i, part := range parts {
		parts[i] = notInID.ReplaceAllString(part, "_")
	}
	tail := make([]byte, 2)
	_, _ = rand.Read(tail) // never fails, by its documentation
	stamp := now.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(tail)
	return strings.Join(append(parts, stamp), "/")
}

// ScheduleInputMemo is the memo field of a schedule that holds its ScheduledCloseInput.
const ScheduleInputMemo = "input"
