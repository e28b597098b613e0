package main

import (
	"net"
	"strconv"

	ui "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/common/testing/freeport"
	"go.temporal.io/server/temporal"
)

const (
	clusterName = "active"
	storeName   = "sqlite"
)

// ports of all listeners. Only the first two are public; the others are used between the services, on the loopback.
type ports struct {
	frontend, ui                            int
	frontendHTTP, history, matching, worker int
}

func choosePorts(o options) (ports, error) {
	p := ports{
		frontend:     o.port,
		ui:           o.uiPort,
		frontendHTTP: freeport.MustGetFreePort(),
		history:      freeport.MustGetFreePort(),
		matching:     freeport.MustGetFreePort(),
		worker:       freeport.MustGetFreePort(),
	}
	for _, port := range []*int{&p.frontend, &p.ui} {
		if *port == 0 {
			*port = freeport.MustGetFreePort()
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(o.ip.String(), strconv.Itoa(*port)))
		if err != nil {
			return ports{}, err
		}
		_ = l.Close()
	}
	return p, nil
}

// newServer configures the four services of Temporal in one process.
func newServer(o options, p ports, store *config.SQL, logger log.Logger) (temporal.Server, error) {
	hosts := map[primitives.ServiceName]static.Hosts{}
	services := map[string]config.Service{}
	for name, rpc := range map[primitives.ServiceName]config.RPC{
		primitives.FrontendService: {BindOnIP: o.ip.String(), GRPCPort: p.frontend, HTTPPort: p.frontendHTTP},
		primitives.HistoryService:  {BindOnLocalHost: true, GRPCPort: p.history},
		primitives.MatchingService: {BindOnLocalHost: true, GRPCPort: p.matching},
		primitives.WorkerService:   {BindOnLocalHost: true, GRPCPort: p.worker},
	} {
		services[string(name)] = config.Service{RPC: rpc}
		hosts[name] = static.SingleLocalHost(net.JoinHostPort(hostOf(rpc), strconv.Itoa(rpc.GRPCPort)))
	}
	frontend := net.JoinHostPort(reachable(o.ip), strconv.Itoa(p.frontend))

	cfg := &config.Config{
		Services:     services,
		PublicClient: config.PublicClient{HostPort: frontend},
		Persistence: config.Persistence{
			DefaultStore:     storeName,
			VisibilityStore:  storeName,
			NumHistoryShards: 1, // cannot change during the life of a database file
			DataStores:       map[string]config.DataStore{storeName: {SQL: store}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{clusterName: {
				Enabled:                true,
				InitialFailoverVersion: 1,
				RPCAddress:             frontend,
				HTTPAddress:            net.JoinHostPort(reachable(o.ip), strconv.Itoa(p.frontendHTTP)),
			}},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Archival: config.Archival{
			History:    config.HistoryArchival{State: config.ArchivalDisabled},
			Visibility: config.VisibilityArchival{State: config.ArchivalDisabled},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: config.ArchivalDisabled},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: config.ArchivalDisabled},
		}},
	}
	return temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(hosts),
		temporal.WithLogger(logger),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return authorization.NewNoopClaimMapper() }),
		temporal.WithDynamicConfigClient(dynamicConfig(o.dynamicConfig)),
	)
}

// queuePolls is how many times a second the only shard polls its queues. With the server's default of 20, meant for
// hundreds of shards, each step of a workflow waits 50 ms; beyond a few hundred a busy server only polls more often.
const queuePolls = 200

// dynamicConfig returns what a single process needs differently from a cluster; all else is the server's default.
func dynamicConfig(overrides dynamicconfig.ConfigValueMap) dynamicconfig.StaticClient {
	c := dynamicconfig.StaticClient{
		dynamicconfig.EnableServerVersionCheck.Key():                     false, // no calls to the vendor
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():           1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key():          1,
		dynamicconfig.MatchingEnableFairness.Key():                       true, // as in ../config/temporal-dynamic.yaml
		dynamicconfig.TransferProcessorMaxPollRPS.Key():                  queuePolls,
		dynamicconfig.TimerProcessorMaxPollRPS.Key():                     queuePolls,
		dynamicconfig.VisibilityProcessorMaxPollRPS.Key():                queuePolls,
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 100,
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key():      true,
	}
	for key, values := range overrides {
		c[key] = values
	}
	return c
}

func newUI(o options, p ports) *ui.Server {
	host := o.ip.String()
	if o.ip.To4() == nil {
		host = "[" + host + "]"
	}
	return ui.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
		Host:                host,
		Port:                p.ui,
		TemporalGRPCAddress: net.JoinHostPort(reachable(o.ip), strconv.Itoa(p.frontend)),
		DefaultNamespace:    o.namespaces[0],
		EnableUI:            true,
		HideLogs:            true,
		DisableNewsFetch:    true,
		Codec:               uiconfig.Codec{Endpoint: o.codecEndpoint},
		CORS:                uiconfig.CORS{CookieInsecure: true}, // over plain HTTP a browser does not return a Secure cookie
	}))
}

// reachable returns the address at which this machine reaches a server that listens on ip.
func reachable(ip net.IP) string {
	switch {
	case ip.Equal(net.IPv4zero):
		return "127.0.0.1"
	case ip.Equal(net.IPv6unspecified):
		return "::1"
	}
	return ip.String()
}

func hostOf(rpc config.RPC) string {
	if rpc.BindOnLocalHost {
		return "127.0.0.1"
	}
	return reachable(net.ParseIP(rpc.BindOnIP))
}
