package chaos

import (
	"math/rand/v2"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
)

const (
	// callTimeout is that of the connection; longest is the time after which a submission may still be carried out.
	callTimeout = 3 * time.Second
	longest     = 4 * time.Second
	// settled is the time that the operator waits before checking, by which a request in transit has arrived.
	settled = longest + 2*time.Second
)

// Faults after which the outcome of a submission is unknown, and those after which it is certain.
var (
	uncertain = []simulator.Fault{
		{Kind: simulator.FaultCloseBefore}, {Kind: simulator.FaultCloseAfter}, {Kind: simulator.FaultHTML}, {Kind: simulator.FaultHTMLAfter},
		{Kind: simulator.FaultStatusAfter}, {Kind: simulator.FaultTruncate}, {Kind: simulator.FaultMalform},
		{Kind: simulator.FaultDelayAfter, Delay: longest}, {Kind: simulator.FaultDelayBefore, Delay: longest},
	}
	certain = []simulator.Fault{
		{Kind: simulator.FaultUnauthorized}, {Kind: simulator.FaultStatus, Status: 429, RetryAfter: "1"},
		{Kind: simulator.FaultExpireTokens}, {Kind: simulator.FaultExpireLogins},
	}
	// Slow responses are successful, unless the client is killed.
	slow    = []simulator.Fault{{Kind: simulator.FaultDelayAfter, Delay: callTimeout / 2}, {Kind: simulator.FaultDelayBefore, Delay: callTimeout / 2}}
	anyCall = []simulator.Fault{
		{Kind: simulator.FaultStatus}, {Kind: simulator.FaultStatus, Status: 500}, {Kind: simulator.FaultStatus, Status: 429, RetryAfter: "1"},
		{Kind: simulator.FaultEmpty}, {Kind: simulator.FaultHTML}, {Kind: simulator.FaultUnauthorized}, {Kind: simulator.FaultCloseBefore},
		{Kind: simulator.FaultExpireTokens}, {Kind: simulator.FaultExpireLogins}, {Kind: simulator.FaultDelayAfter, Delay: 500 * time.Millisecond},
		{Kind: simulator.FaultCloseAfter}, {Kind: simulator.FaultStatusAfter}, {Kind: simulator.FaultHTMLAfter}, {Kind: simulator.FaultTruncate},
		{Kind: simulator.FaultMalform}, {Kind: simulator.FaultDelayBefore, Delay: longest},
	}
	objectStore = []simulator.Fault{
		{Kind: simulator.FaultStatus}, {Kind: simulator.FaultEmpty}, {Kind: simulator.FaultHTML}, {Kind: simulator.FaultStatus, Status: 429, RetryAfter: "1"},
		{Kind: simulator.FaultCloseBefore}, {Kind: simulator.FaultCloseAfter}, {Kind: simulator.FaultStatusAfter}, {Kind: simulator.FaultTruncate},
		{Kind: simulator.FaultCorrupt, Bytes: 77}, {Kind: simulator.FaultWrongLength, Bytes: 5}, {Kind: simulator.FaultExpirePAR}, {Kind: simulator.FaultSlow, Delay: 300 * time.Millisecond},
	}
	logins = []simulator.Fault{
		{Kind: simulator.FaultStatus}, {Kind: simulator.FaultStatus, Status: 429}, {Kind: simulator.FaultHTML}, {Kind: simulator.FaultCloseBefore},
		{Kind: simulator.FaultCloseAfter}, {Kind: simulator.FaultTruncate}, {Kind: simulator.FaultMalform},
	}
)

// backgroundFaults returns the faults that are always active.
func backgroundFaults(random *rand.Rand) []simulator.Fault {
	var armed []simulator.Fault
	arm := func(call string, chance float64, kinds []simulator.Fault) {
		for _, fault := range kinds {
			fault.Call, fault.Probability = call, chance/float64(len(kinds))
			armed = append(armed, fault)
		}
	}
	for _, call := range []string{"trigger", "restart", "rerun"} {
		arm(call, 0.2, uncertain)
		arm(call, 0.1, certain)
		arm(call, 0.6, slow)
	}
	for _, call := range []string{"upload-par", "list-files", "report", "report-status", "status", "interrupt"} {
		arm(call, 0.08, anyCall)
	}
	arm("report-status", 0.05, []simulator.Fault{{Kind: simulator.FaultNoLink}})
	arm("object-put", 0.2, objectStore)
	arm("object-get", 0.2, objectStore)
	arm("token", 0.1, logins)
	random.Shuffle(len(armed), func(i, j int) { armed[i], armed[j] = armed[j], armed[i] })
	return armed
}

// identityOutage returns a fault in which the IAM does not respond usefully.
func identityOutage(random *rand.Rand) simulator.Fault {
	kinds := []simulator.Fault{{Kind: simulator.FaultStatus}, {Kind: simulator.FaultCloseBefore}, {Kind: simulator.FaultHTML}}
	fault := kinds[random.IntN(len(kinds))]
	fault.Call = "token"
	return fault
}
