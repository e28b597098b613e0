// Package observability checks deploy/observability where no worker runs: the alert rules with promtool on made-up
// nights, and the runbook against them. What needs real scrapes is in tests/prometheus_test.go.
package observability
