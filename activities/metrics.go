package activities

import (
	"strconv"

	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// serviceCalls measures each exchange with the service in seconds, by connection, call and
// HTTP status ("none" when there was no answer).
const serviceCalls = "pbsm_service_call"

func measured(metrics client.MetricsHandler, connection string) func(pbsm.Exchange) {
	return func(e pbsm.Exchange) {
		status := "none"
		if e.Status != 0 {
			status = strconv.Itoa(e.Status)
		}
		metrics.WithTags(map[string]string{"connection": connection, "call": e.Call, "status": status}).Timer(serviceCalls).Record(e.Took)
	}
}
