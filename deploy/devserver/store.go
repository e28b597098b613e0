package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/resolver"
	schema "go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/types/known/durationpb"
)

// retention keeps closed workflows, and with them the answer to "has this batch run already?", for a month.
const retention = 30 * 24 * time.Hour

// openStore creates the schema and the namespaces in file, unless they exist.
// A database from an earlier run is used as it is.
func openStore(file string, namespaces []string, attrs searchAttributes) (*config.SQL, error) {
	cfg := &config.SQL{
		PluginName:   sqlite.PluginName,
		DatabaseName: (&url.URL{Path: file}).EscapedPath(), // SQLite reads it as a URI
		ConnectAttributes: map[string]string{
			"mode":         "rwc",
			"journal_mode": "wal",
			"synchronous":  "normal",
			// Refuses a second devserver on the same file, which would corrupt it.
			// The operating system releases the lock of a killed one.
			"locking_mode": "exclusive",
		},
	}
	if err := createSchema(cfg); err != nil {
		return nil, fmt.Errorf("database %s: %w (is another devserver using it? is its folder writable?)", file, err)
	}
	for _, name := range namespaces {
		ns, err := schema.NewNamespaceConfig(clusterName, name, false, attrs)
		if err != nil {
			return nil, fmt.Errorf("namespace %s: %w", name, err)
		}
		ns.Detail.Config.Retention = durationpb.New(retention)
		if err := schema.CreateNamespaces(cfg, ns); err != nil {
			return nil, fmt.Errorf("database %s: %w", file, err)
		}
	}
	return cfg, nil
}

// createSchema uses one transaction, so that a kill leaves an empty database rather than half a schema.
func createSchema(cfg *config.SQL) (err error) {
	db, err := sql.NewSQLAdminDB(sqlplugin.DbKindUnknown, cfg, resolver.NewNoopResolver(), log.NewNoopLogger(), metrics.NoopMetricsHandler)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()

	tables, err := db.ListTables(cfg.DatabaseName)
	if err != nil || slices.Contains(tables, "executions") {
		return err
	}
	if err := db.Exec("BEGIN EXCLUSIVE"); err != nil {
		return err
	}
	if err := schema.SetupSchemaOnDB(db); err != nil {
		return err
	}
	return db.Exec("COMMIT")
}

// databaseFile returns the absolute path of file, or of a temporary one, and a function that removes the latter.
func databaseFile(file string) (path string, remove func(), err error) {
	if file != "" {
		path, err = filepath.Abs(file)
		return path, func() {}, err
	}
	dir, err := os.MkdirTemp("", "pbsmflow-devserver-")
	if err != nil {
		return "", nil, err
	}
	return filepath.Join(dir, "temporal.db"), func() { _ = os.RemoveAll(dir) }, nil
}
