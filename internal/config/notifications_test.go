package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/notify"
)

const channels = minimal + `
notifications:
  night-shift:
    kind: slack
    url: https://hooks.example.com/` + canary + `
  controllers:
    kind: mail
    url: {file: secrets/password}
    from: a@b.example
    to: [c@d.example, e@f.example]
    helo: worker.bank.example
    on: [succeeded]
    connections: [prod]
`

func TestLoad_notifications(t *testing.T) {
	cfg, err := Load(folder(t, channels), []string{
		"TEMPORAL_UI=https://temporal.example.com",
		"PBSM_NOTIFICATIONS__CONTROLLERS__URL=smtp://u:" + canary + "@mail.example.com",
		"PBSM_NOTIFICATIONS__CONTROLLERS__TO=x@y.example",
	})
	require.NoError(t, err)
	require.Equal(t, map[string]notify.Channel{
		"night-shift": {Kind: "slack", URL: "https://hooks.example.com/" + canary, On: []string{"waiting", "at_risk", "failed"}},
		"controllers": {Kind: "mail", URL: "smtp://u:" + canary + "@mail.example.com", From: "a@b.example", To: []string{"x@y.example"}, Helo: "worker.bank.example",
			On: []string{"succeeded"}, Connections: []string{"prod"}},
	}, cfg.NotifyChannels())
	require.Equal(t, "https://temporal.example.com", cfg.Worker.TemporalUI)
}

func TestLoad_notificationProblems(t *testing.T) {
	_, err := Load(folder(t, channels), []string{
		"PBSM_NOTIFICATIONS__NIGHT_SHIFT__ON=parked", "PBSM_NOTIFICATIONS__NIGHT_SHIFT__CONNECTIONS=uat",
		"PBSM_NOTIFICATIONS__OTHER__KIND=slack", "PBSM_WORKER__TEMPORAL_UI=temporal.example.com",
	})
	require.Error(t, err)
	for _, want := range []string{
		`notifications.night-shift.on: "parked" is not one of waiting, at_risk, failed, cancelled, succeeded`,
		`notifications.night-shift.connections.0: "uat" is not among the connections`,
		`notifications.controllers.url: must look like smtp://`,
		`notifications.other.url: is missing`,
		`worker.temporal_ui: must be an address`,
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), canary)
}

// A channel that names no connection does not receive the messages of all.
func TestLoad_channelOfNoConnection(t *testing.T) {
	for _, list := range []string{"[]", ""} {
		_, err := Load(folder(t, strings.Replace(channels, "[prod]", list, 1)), nil)
		require.ErrorContains(t, err, "notifications.controllers.connections: names no connection", list)
	}
	_, err := Load(folder(t, channels), []string{"PBSM_NOTIFICATIONS__CONTROLLERS__CONNECTIONS="})
	require.ErrorContains(t, err, `notifications.controllers.connections.0: "" is not among the connections`)
}

// The key may come from a variable that the user did not set for pbsmflow.
func TestLoad_problemOfTEMPORAL_UI(t *testing.T) {
	_, err := Load(folder(t, minimal), []string{"TEMPORAL_UI=temporal.example.com:8080"})
	require.ErrorContains(t, err, "worker.temporal_ui: must be an address such as https://temporal.bank.example; without the key it is the variable TEMPORAL_UI")
}
