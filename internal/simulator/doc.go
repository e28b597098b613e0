// Package simulator simulates the service of the source document (public APIs of Profitability and Balance Sheet
// Management, release 24.03.01) together with its IAM tenant and its object store, in one HTTPS server: with real
// state, the document's traps, and faults on demand. The demo and all tests run against it.
//
// It is written from the document alone and shares no code with the client, so that a misreading in one of them is
// found by the other.
//
// catalog.yaml has the batches, reports and migrations of the default tenant.
package simulator
