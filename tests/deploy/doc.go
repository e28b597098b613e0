// Package deploy checks the folder deploy where no engine and no cluster is at hand, with the parsers and the types of
// those who read it: the compose file and the Dockerfile against their specifications and the binaries that they start,
// the Kubernetes manifests against the types of its API, the alert rules with promtool.
// With the build tag docker a close runs in the containers.
package deploy
