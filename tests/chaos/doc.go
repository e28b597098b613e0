// Package chaos runs many closes in parallel while workers and the Temporal server are killed, responses are lost and
// commands are sent at random, and compares the outcome with the journal of the service.
//
// PBSMFLOW_SEED repeats the plans and choices of a run (the timing differs); PBSMFLOW_NIGHTS is the number of closes.
package chaos
