// Package simtest connects tests to a simulated service.
package simtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
)

// Start starts a simulator that ends with the test.
func Start(t testing.TB, o simulator.Options) *simulator.Simulator {
	t.Helper()
	sim, err := simulator.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = sim.Close() })
	return sim
}

// Service is a client of the simulated service, with its credentials; change changes its settings.
func Service(t testing.TB, sim *simulator.Simulator, change ...func(*pbsm.Config)) *pbsm.Client {
	t.Helper()
	o := sim.Options()
	cfg := pbsm.Config{
		BaseURL:          sim.BaseURL(),
		TokenURL:         sim.TokenURL(),
		TenantID:         o.Tenant,
		ServiceID:        o.ServiceID,
		WorkspaceID:      o.WorkspaceID,
		RemoteUser:       o.RemoteUser,
		Locale:           "en-US",
		AppID:            o.AppID,
		ClientID:         o.ClientID,
		ClientSecret:     o.ClientSecret,
		Username:         o.Username,
		Password:         o.Password,
		CAFile:           sim.CAFile(),
		Timeout:          10 * time.Second,
		MaxFileSize:      1 << 40,
		TokenScope:       "urn:opc:idm:__myscopes__ offline_access",
		StatusTasks:      pbsm.TaskListsArray,
		DynamicParams:    pbsm.DynamicParamsJSON,
		UploadBody:       pbsm.UploadBodyObject,
		ExportStatusPath: "/public/status",
		ImportStatusPath: "/public/status",
		ReportStatusBody: pbsm.ReportStatusBodyNone,
		ReportDefType:    "V",
		DeleteMethod:     "POST",
	}
	for _, c := range change {
		c(&cfg)
	}
	service, err := pbsm.New(cfg)
	require.NoError(t, err)
	return service
}
