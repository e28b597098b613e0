package workflows

// Ids of changes that workflows which began before them do not meet.
const (
	// connectionQueues: the connection is looked for at the start, and its activities have a queue
	// of their own. Most histories began before; *-on-its-queue, *-unknown-connection and later ones did not.
	connectionQueues = "connection-queues"
	// notifyOfUnplanned tells of a night that could not be planned. Histories of ScheduledClose whose
	// calendar was unknown, from before people were told of anything.
	notifyOfUnplanned = "notify-of-unplanned"
	// tellOtherQuestions tells a close when its batch asks something else than before. Only
	// RunBatch-asks-anew comes there.
	tellOtherQuestions = "tell-other-questions"
	// tellWithoutClose tells people of a batch whose close is gone, and waits at the end to learn
	// whether it is. Only RunBatch-left-by-its-close comes there.
	tellWithoutClose = "tell-without-close"
	// lookBeforeLeaving looks at a run before it is left, where nobody knows whether it was started
	// again. Only RunBatch-lost-cancelled comes there.
	lookBeforeLeaving = "look-before-leaving"
	// dropOfFolder drops what a folder that failed left of large files. Only UploadFile-folder-refused
	// comes there.
	dropOfFolder = "drop-of-folder"
	// noLatePost posts nothing behind the deadline. Only RunBatch-too-late comes there.
	noLatePost = "no-late-post"
	// ownRunsOnly refuses to take over the run of another batch. Only RunBatch-anothers-run comes there.
	ownRunsOnly = "own-runs-only"
	// cancelledTooLate calls a job that succeeded while it was cancelled a success, which may be told to others than
	// a cancellation. No recorded history comes there; a test makes one.
	cancelledTooLate = "cancelled-too-late"
)
