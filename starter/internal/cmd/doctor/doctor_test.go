package doctor

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.temporal.io/api/serviceerror"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/clitest"
)

func TestRefused_temporalIsAway(t *testing.T) {
	d := doctor{Factory: clitest.Factory(0)}
	d.refused("namespace close", "Create it.", serviceerror.NewUnavailable("gone"))
	assert.Equal(t, cli.ExitUnreachable, cli.AsProblem(d.verdict()).Code)
	d.refused("namespace close", "Create it.", serviceerror.NewNamespaceNotFound("close"))
	assert.Equal(t, cli.ExitFailed, cli.AsProblem(d.verdict()).Code)
	assert.Equal(t, "Create it.", d.findings[1].Do)
}

func TestAdvice_byCause(t *testing.T) {
	for want, err := range map[string]error{
		"refused":     &pbsm.Error{HTTPStatus: 400, Code: "invalid_grant"},
		"unavailable": &pbsm.Error{HTTPStatus: 503, Temporary: true},
		"token_url":   &pbsm.Error{Temporary: true},
	} {
		assert.Contains(t, advice(err, "token_url", "refused"), want)
	}
}

func TestFinding_fitsTheTerminal(t *testing.T) {
	found := finding{Check: "workers", Detail: "no worker polls the task queue\nsince yesterday", Do: "Start a worker and check here again."}
	at := func(width int) []string {
		return found.lines(width)
	}
	assert.Equal(t, []string{
		"FAIL  workers: no worker polls",
		"      the task queue",
		"        since yesterday",
		"      > Start a worker and check",
		"        here again.",
	}, at(32))
	assert.Equal(t, []string{
		"FAIL  workers: no worker polls the task queue",
		"        since yesterday",
		"      > Start a worker and check here again.",
	}, at(0), "no limit without a terminal")
}

func TestVerdict_exitCode(t *testing.T) {
	good, config, tls, temporal := finding{OK: true}, finding{code: cli.ExitUsage}, finding{code: cli.ExitFailed}, finding{code: cli.ExitUnreachable}
	for _, test := range []struct {
		findings []finding
		code     int
	}{
		{[]finding{good}, cli.ExitDone},
		{[]finding{good, temporal}, cli.ExitUnreachable},
		{[]finding{tls, good, temporal}, cli.ExitFailed},
		{[]finding{tls, config}, cli.ExitUsage},
		{[]finding{config, temporal}, cli.ExitUsage},
	} {
		d := &doctor{Factory: clitest.Factory(0), findings: test.findings}
		code := cli.ExitDone
		if err := d.verdict(); err != nil {
			code = cli.AsProblem(err).Code
		}
		assert.Equal(t, test.code, code, "%v", test.findings)
	}
}
