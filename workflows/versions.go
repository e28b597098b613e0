package workflows

// Ids of changes that workflows which began before them do not meet.
const (
	// connectionQueues: the connection is looked for at the start, and its activities have a queue
	// of their own. Every history but *-on-its-queue and *-unknown-connection began before.
	connectionQueues = "connection-queues"
)
