package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// overview builds the dashboard, to be read from the top: what needs somebody now, how the night went, and
// whether the service, the files or the workers are the reason.
func overview() *dashboard.DashboardBuilder {
	return dashboard.NewDashboardBuilder("pbsmflow").Uid("pbsmflow").Tags([]string{"pbsmflow", "temporal"}).
		Description("Nightly closes: what waits, what ended, and the state of the service, the files and the workers.").
		Readonly().Time("now-12h", "now").Refresh("30s").Timezone("browser").Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(dashboard.NewDashboardLinkBuilder("Runbook").Type(dashboard.DashboardLinkTypeLink).TargetBlank(true).
			Url("https://github.com/pbsmflow/pbsmflow/blob/main/docs/runbook.md")).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus")).
		WithVariable(dashboard.NewQueryVariableBuilder("connection").Label("Connection").Datasource(source).
			Query(dashboard.StringOrMap{String: cog.ToPtr("label_values(pbsm_login_refused, connection)")}).
			Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc).
			Multi(true).IncludeAll(true).AllValue(".*").Current(all)).
		WithRow(row("Now")).
		WithPanel(number("Waiting for an operator", "Closes and batches with an open question; a close counts beside the batch that it waits for. starter inbox shows the questions.", 5,
			redFrom(1), query(`max by (connection, workflow_type, question) (pbsm_workflows_waiting{connection=~"$connection"})`, "{{connection}} {{workflow_type}} {{question}}"))).
		WithPanel(number("Alerts", "Alerts that fire; docs/runbook.md has a section for each.", 3,
			redFrom(1), query(`count(ALERTS{alertname=~"PBSM.+", alertstate="firing"}) or vector(0)`, "firing"))).
		WithPanel(number("Workers", "Workers that answer Prometheus.", 2,
			greenFrom(1), query(`sum(up{job="pbsmflow"})`, "workers"))).
		WithPanel(words("Temporal", "Whether Temporal answers any worker.", 3,
			mapping{"0", "unreachable", "red"}, mapping{"1", "reachable", "green"}).
			WithTarget(query(`max(pbsm_temporal_up)`, "Temporal"))).
		WithPanel(words("Login", "Whether the service accepts the credentials of a connection.", 4,
			mapping{"0", "accepted", "green"}, mapping{"1", "refused", "red"}).
			WithTarget(query(`max by (connection) (pbsm_login_refused{connection=~"$connection"})`, "{{connection}}"))).
		WithPanel(words("Stores", "Whether every worker reaches the stores of files.", 3,
			mapping{"0", "unreachable", "red"}, mapping{"1", "reachable", "green"}).
			WithTarget(query(`min by (store) (pbsm_store_up)`, "{{store}}"))).
		WithPanel(words("Schedule", "Whether nights begin by themselves.", 4,
			mapping{"0", "on", "green"}, mapping{"1", "paused", "orange"}).
			WithTarget(query(`max by (connection, pipeline) (pbsm_schedule_paused{connection=~"$connection"})`, "{{connection}} {{pipeline}}"))).
		WithRow(row("The night")).
		WithPanel(number("Closes that ended", "In the selected time: failed ones by reason, and nights that a schedule could not begin.", 6, nil,
			query(`sum by (state) (increase(pbsm_workflows_ended_total{connection=~"$connection", workflow_type="NightlyClose", state!="failed"}[$__range])) > 0`, "{{state}}"),
			query(`sum by (reason) (increase(pbsm_workflows_ended_total{connection=~"$connection", workflow_type="NightlyClose", state="failed"}[$__range])) > 0`, "failed: {{reason}}"),
			query(`sum(increase(pbsm_workflows_ended_total{connection=~"$connection", workflow_type="ScheduledClose", state="failed", reason="invalid_input"}[$__range])) > 0`, "not begun")).
			Decimals(0).Overrides(append(stateColours(), failureColours()...))).
		WithPanel(number("Since the last success", "Time since a close of the pipeline last succeeded.", 6, nil,
			query(`time() - max by (connection, pipeline) (pbsm_close_last_success_timestamp_seconds{connection=~"$connection"})`, "{{connection}} {{pipeline}}")).
			Unit(units.Seconds).TextMode(common.BigValueTextModeValueAndName)).
		WithPanel(number("Since the night began", "Time since the latest night of the schedule should have begun, by its calendar.", 6, nil,
			query(`time() - max by (connection, pipeline) (pbsm_schedule_last_night_timestamp_seconds{connection=~"$connection"})`, "{{connection}} {{pipeline}}")).
			Unit(units.Seconds).TextMode(common.BigValueTextModeValueAndName)).
		WithPanel(number("Deadlines", "Of the workflows with a deadline that ended in the selected time.", 6, nil,
			query(`sum(increase(pbsm_deadline_margin_seconds_count{connection=~"$connection"}[$__range]))`, "kept"),
			query(`sum(increase(pbsm_overdue_seconds_count{connection=~"$connection"}[$__range])) or vector(0)`, "missed"),
			query(`sum(increase(pbsm_at_risk_total{connection=~"$connection"}[$__range]))`, "at risk")).
			Decimals(0).Overrides(colours(map[string]string{"kept": "green", "missed": "red", "at risk": "orange"}))).
		WithPanel(lines("Waiting for an operator", "Over time.", 8,
			query(`max by (connection, workflow_type, question) (pbsm_workflows_waiting{connection=~"$connection"})`, "{{connection}} {{workflow_type}} {{question}}")).
			LineInterpolation(common.LineInterpolationStepAfter).Decimals(0).Min(0)).
		WithPanel(bars("Workflows that ended", "All workflow types, by state.", 8,
			query(`sum by (state) (increase(pbsm_workflows_ended_total{connection=~"$connection"}[$__rate_interval]))`, "{{state}}")).
			Overrides(stateColours()).Min(0)).
		WithPanel(lines("Distance to the deadline", "Mean over the workflows that ended: how long before their deadline, or after it.", 8,
			query(`sum(increase(pbsm_deadline_margin_seconds_sum{connection=~"$connection"}[$__rate_interval])) / sum(increase(pbsm_deadline_margin_seconds_count{connection=~"$connection"}[$__rate_interval]))`, "before"),
			query(`sum(increase(pbsm_overdue_seconds_sum{connection=~"$connection"}[$__rate_interval])) / sum(increase(pbsm_overdue_seconds_count{connection=~"$connection"}[$__rate_interval]))`, "after"),
			query(`sum(increase(pbsm_operator_wait_seconds_sum{connection=~"$connection"}[$__rate_interval])) / sum(increase(pbsm_operator_wait_seconds_count{connection=~"$connection"}[$__rate_interval]))`, "waited for an operator")).
			Unit(units.Seconds).ShowPoints(common.VisibilityModeAlways).
			Overrides(colours(map[string]string{"before": "green", "after": "red", "waited for an operator": "orange"}))).
		WithRow(row("The service")).
		WithPanel(bars("Calls by status", "Answers of the service, its IAM and its object store; none means no answer.", 8,
			query(`sum by (code) (rate(pbsm_service_call_seconds_count{connection=~"$connection"}[$__rate_interval]))`, "{{code}}")).
			Unit(units.RequestsPerSecond).Overrides(codeColours()).Min(0)).
		WithPanel(lines("Calls that failed", "Share of calls without an answer, with 429 or 5xx.", 8,
			query(`sum by (connection) (rate(pbsm_service_call_seconds_count{connection=~"$connection", code=~"none|429|5.."}[$__rate_interval])) / sum by (connection) (rate(pbsm_service_call_seconds_count{connection=~"$connection"}[$__rate_interval]))`, "{{connection}}")).
			Unit(units.PercentUnit).Min(0).Max(1)).
		WithPanel(lines("Latency of calls", "From the request to the header of its answer, all calls.", 8,
			latency("0.50", `pbsm_service_call_seconds_bucket{connection=~"$connection"}`, "p50"),
			latency("0.95", `pbsm_service_call_seconds_bucket{connection=~"$connection"}`, "p95"),
			latency("0.99", `pbsm_service_call_seconds_bucket{connection=~"$connection"}`, "p99")).
			Unit(units.Seconds)).
		WithPanel(lines("Latency by call, p95", "", 12,
			query(`histogram_quantile(0.95, sum by (le, call) (rate(pbsm_service_call_seconds_bucket{connection=~"$connection"}[$__rate_interval])))`, "{{call}}")).
			Unit(units.Seconds)).
		WithPanel(lines("Files", "Bytes transferred, by direction.", 12,
			query(`sum by (direction) (rate(pbsm_transfer_bytes_total{connection=~"$connection"}[$__rate_interval]))`, "{{direction}}")).
			Unit(units.BytesPerSecondSI).Min(0)).
		WithRow(row("The workers")).
		WithPanel(lines("Wait for a worker, p95", "From the moment a task was queued until a worker took it. On a connection's queue this includes its rate.", 8,
			query(`histogram_quantile(0.95, sum by (le, task_queue) (rate(temporal_workflow_task_schedule_to_start_latency_seconds_bucket{job="pbsmflow"}[$__rate_interval])))`, "workflow {{task_queue}}"),
			query(`histogram_quantile(0.95, sum by (le, task_queue) (rate(temporal_activity_schedule_to_start_latency_seconds_bucket{job="pbsmflow"}[$__rate_interval])))`, "activity {{task_queue}}")).
			Unit(units.Seconds)).
		WithPanel(lines("Slots in use", "Tasks in progress, over all workers.", 8,
			query(`sum by (task_queue, worker_type) (temporal_worker_task_slots_used{job="pbsmflow"})`, "{{task_queue}} {{worker_type}}")).
			Min(0).Decimals(0)).
		WithPanel(lines("Share of slots in use", "On the fullest worker. At 100 % it takes no more work of that type.", 8,
			query(`max by (task_queue, worker_type) (temporal_worker_task_slots_used{job="pbsmflow"} / (temporal_worker_task_slots_used{job="pbsmflow"} + temporal_worker_task_slots_available{job="pbsmflow"}))`, "{{task_queue}} {{worker_type}}")).
			Unit(units.PercentUnit).Min(0).Max(1)).
		WithPanel(lines("Polls", "Requests for work that Temporal answered, by operation.", 8,
			query(`sum by (operation) (rate(temporal_long_request_total{job="pbsmflow"}[$__rate_interval]))`, "{{operation}}")).
			Unit(units.RequestsPerSecond).Min(0)).
		WithPanel(lines("Latency of Temporal", "Requests of the workers, except polls for work.", 8,
			latency("0.50", `temporal_request_latency_seconds_bucket{job="pbsmflow"}`, "p50"),
			latency("0.95", `temporal_request_latency_seconds_bucket{job="pbsmflow"}`, "p95"),
			latency("0.99", `temporal_request_latency_seconds_bucket{job="pbsmflow"}`, "p99")).
			Unit(units.Seconds)).
		WithPanel(lines("Memory", "Resident, by worker.", 8,
			query(`process_resident_memory_bytes{job="pbsmflow"}`, "{{instance}}")).
			Unit(units.BytesIEC).Min(0)).
		WithRow(row("The console")).
		WithPanel(lines("Time to make a page, p95", "By the kind of page.", 8,
			query(`histogram_quantile(0.95, sum by (le, page) (rate(pbsm_console_page_seconds_bucket[$__rate_interval])))`, "{{page}}")).
			Unit(units.Seconds).Min(0)).
		WithPanel(bars("Commands of people", "Sent on the page or through it, and requests that the console refused: for the role, the site of the form, the host's name, or want of a login.", 8,
			query(`sum by (taken) (increase(pbsm_console_commands_total[$__rate_interval]))`, "taken: {{taken}}"),
			query(`sum by (reason) (increase(pbsm_console_refused_total[$__rate_interval]))`, "refused: {{reason}}")).
			Decimals(0).Min(0)).
		WithPanel(lines("What the pages show", "Pages that are open, seconds since the closes were listed, and closes whose newest status is not known.", 8,
			query(`sum(pbsm_console_viewers)`, "open pages"),
			query(`max(pbsm_console_age_seconds)`, "age in seconds"),
			query(`max(pbsm_console_status_unknown)`, "status not known")).
			Min(0))
}

// latency is a quantile over all series of a histogram's buckets.
func latency(quantile, buckets, legend string) *target {
	return query(`histogram_quantile(`+quantile+`, sum by (le) (rate(`+buckets+`[$__rate_interval])))`, legend)
}
