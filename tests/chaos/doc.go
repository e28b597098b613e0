// Package chaos runs closes side by side while workers and the Temporal server are killed, answers
// are lost and people steer at random, and compares what came of it with the service's own journal.
//
// PBSMFLOW_SEED repeats the plans and choices of a run (the timing is the machine's);
// PBSMFLOW_NIGHTS is how many nights there are.
package chaos
