// Package version holds the version stamped into the binaries at build time.
package version

// Version is set with -ldflags "-X github.com/pbsmflow/pbsmflow/internal/version.Version=...".
var Version = "dev"

// UserAgent is how the programs name themselves to every server.
func UserAgent() string { return "pbsmflow/" + Version }
