// Package compose checks deploy/docker-compose.yaml and deploy/Dockerfile where no engine is at hand: against the
// compose specification and the Dockerfile syntax with their own parsers, and against the binaries that they start.
// With the build tag docker a close runs in the containers.
package compose
