// Package console tests the operators' page in a browser, with the real worker and the simulated service: the nights
// that it is for, what it shows while things change, attacks, and load.
package console

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/tests/harness/browser"
	"github.com/pbsmflow/pbsmflow/workflows"
)

func TestMain(m *testing.M) { harness.Main(m) }

// console is a running starter console.
type console struct {
	*harness.Process
	env     *harness.Env
	address string // http://127.0.0.1:PORT
}

// openConsole starts a console with the settings of an environment, others under the key console, in which $ADDRESS is
// its own, and additional variables. It has a second connection, "elsewhere", for roles that are not for the environment's.
func openConsole(e *harness.Env, settings string, env ...string) *console {
	e.T.Helper()
	text, err := os.ReadFile(e.Config)
	require.NoError(e.T, err)
	var all map[string]any
	require.NoError(e.T, yaml.Unmarshal(text, &all))
	port := harness.FreePort(e.T)
	listen := fmt.Sprintf("127.0.0.1:%d", port)
	c := &console{env: e, address: "http://" + listen}
	var own map[string]any
	require.NoError(e.T, yaml.Unmarshal([]byte(strings.ReplaceAll(settings, "$ADDRESS", c.address)), &own))
	connections := all["connections"].(map[string]any)
	connections["elsewhere"] = connections[e.Connection]
	if own != nil {
		all["console"] = own
	}
	text, err = yaml.Marshal(all)
	require.NoError(e.T, err)
	file := filepath.Join(filepath.Dir(e.Config), fmt.Sprintf("console-%d.yaml", port))
	require.NoError(e.T, os.WriteFile(file, text, 0o600))
	c.Process = e.LaunchStarterEnv(append(env, "PBSM_CONFIG="+file), "console", "--listen", listen)
	e.T.Cleanup(func() {
		if e.T.Failed() {
			e.T.Logf("the end of %s:\n%s", c.Stderr, c.Tail())
		}
	})
	e.Until("the console answers", func() bool {
		response, err := http.Get(c.address + "/healthz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return c
}

// log is what the console has logged.
func (c *console) log() string {
	text, err := os.ReadFile(c.Stderr)
	require.NoError(c.env.T, err)
	return string(text)
}

// behindProxy are the settings of a console whose proxy says who somebody is. The tests are the proxy.
func behindProxy(connection string) string {
	return fmt.Sprintf(`
login: {kind: proxy, proxy: {from: [127.0.0.1/32], name_header: X-Name, groups_header: X-Groups}}
roles:
  - {group: night, role: operator, connections: [%[1]s]}
  - {group: controllers, role: approver, connections: [%[1]s]}
  - {group: audit, role: viewer, connections: [%[1]s]}
  - {group: others, role: operator, connections: [elsewhere]}
`, connection)
}

// as are the headers with which the proxy says who somebody is.
func as(name string, groups ...string) map[string]string {
	return map[string]string{"X-Name": name, "X-Groups": strings.Join(groups, ", ")}
}

// person starts a proxy that says who everybody is who comes through it, and returns its address.
func (c *console) person(t testing.TB, name string, groups ...string) string {
	t.Helper()
	target, err := url.Parse(c.address)
	require.NoError(t, err)
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
			for name, value := range as(name, groups...) {
				r.Out.Header.Set(name, value)
			}
		},
		ErrorLog: log.New(io.Discard, "", 0), // of pages that were left
	})
	t.Cleanup(func() {
		proxy.CloseClientConnections()
		proxy.Close()
	})
	return proxy.URL
}

// tab opens a tab on a console for somebody.
func (c *console) tab(t testing.TB, b *browser.Browser, name string, groups ...string) *browser.Tab {
	t.Helper()
	tab := b.Tab(t, "screens", c.person(t, name, groups...))
	tab.Look(false, false)
	return tab
}

// startClose starts the close of a pipeline that is written here, by a name.
func startClose(e *harness.Env, pipeline, by, steps string) (id string) {
	e.T.Helper()
	e.Write(e.Pipelines, pipeline+".yaml", "name: "+pipeline+"\n"+steps)
	in := workflows.NightlyCloseInput{Connection: e.Connection, Pipeline: pipeline, AsOfDate: harness.AsOf, StartedBy: by}
	e.Start(in.WorkflowID(), workflows.NightlyClose, in)
	return in.WorkflowID()
}
