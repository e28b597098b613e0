// Package chaos runs many closes in parallel while workers and the Temporal server are killed, responses are lost,
// files and parameters are replaced and commands are sent at random, and compares the outcome with the journal of the
// service, the bytes of the files and what was commanded (evidence_test.go; evidence_table_test.go has what each check
// must find).
//
// PBSMFLOW_SEED repeats the plans and choices of a run (the timing differs); PBSMFLOW_NIGHTS is the number of closes.
package chaos
