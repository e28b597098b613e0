// Package simulator simulates the service of the source document (public APIs of Profitability and Balance Sheet
// Management, release 24.03.01) together with its IAM tenant and its object store, in one HTTPS server: with real
// state, the document's traps, and faults on demand. The demo and all tests run against it.
//
// It is written from the document alone and shares no code with the client, so that a misreading in one of them is
// found by the other.
//
// # The default catalog
//
// Durations are simulated time. Options.Speed is the number of simulated seconds in a real one.
//
//	PBSM_ALLOC          6 tasks, 15 minutes in total, succeeds
//	PBSM_CUST_PROFIT    3 tasks in sequence, 6 minutes
//	PBSM_PROD_PROFIT    4 tasks, the middle two in parallel, 7 minutes
//	PBSM_QUICK          3 tasks of one second
//	PBSM_FAIL           its second task fails every time
//	PBSM_FAIL_ONCE      its second task fails once: a restart succeeds
//	PBSM_ABORT          its second task is aborted (3)
//	PBSM_HELD           its second task is held (5) until it is released
//	PBSM_HANG           its second task never ends; only an interrupt stops it
//	PBSM_LONG           4 tasks, 10 hours
//	PBSM_SHORT          the same 4 tasks, 10 minutes
//	PBSM_EMPTY          no tasks: cannot be executed (-6)
//	PBSM_PROFIT_GRP     group: PBSM_CUST_PROFIT, then PBSM_PROD_PROFIT
//	PBSM_PARALLEL_GRP   group: the same two in parallel
//	PBSM_FAIL_ONCE_GRP  group: PBSM_QUICK, then PBSM_FAIL_ONCE
//	RPT001              profitability, 50,000 rows
//	RPT002              balance sheet, 20,000 rows
//	RPT_FAIL            fails every time
//	RPT_FAIL_ONCE       fails once, then completes
//	MIG_EXPORT1         export, 2 minutes;  MIG_IMPORT1 import, 3 minutes
//	MIG_EXPORT_FAIL     export that fails;  MIG_IMPORT_FAIL import that fails
//	MIG_EXPORT_DONE     export already complete;  MIG_IMPORT_DONE import already complete
package simulator
