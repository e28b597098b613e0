package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/temporal"
)

// Only the containers of docker-compose.yaml read these files; this module has the server's own loader.
func TestClusterConfiguration_loads(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(config.WithConfigFile("../config/temporal.yaml"))
	require.NoError(t, err)
	require.NoError(t, cfg.Validate())
	for _, service := range temporal.DefaultServices {
		require.Contains(t, cfg.Services, service)
	}
	frontend := cfg.Services["frontend"].RPC
	require.Equal(t, 7233, frontend.GRPCPort)
	require.Equal(t, 7243, frontend.HTTPPort, "the health check asks there")
	for name, store := range cfg.Persistence.DataStores {
		require.Equal(t, "postgres:5432", store.SQL.ConnectAddr, name)
		require.Empty(t, store.SQL.Password, name)
		require.Equal(t, []string{"/run/secrets/postgres_password"}, store.SQL.PasswordCommand.Args, name)
	}
	require.Equal(t, "/etc/temporal/config/temporal-dynamic.yaml", cfg.DynamicConfigClient.Filepath)

	contents, err := os.ReadFile("../config/temporal-dynamic.yaml")
	require.NoError(t, err)
	dynamic := dynamicconfig.LoadYamlFile(contents)
	require.NoError(t, dynamic.Err())
	require.Empty(t, dynamic.Warnings)
	require.NotEmpty(t, dynamic.Map)
}
