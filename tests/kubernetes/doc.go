// Package kubernetes checks deploy/kubernetes where no cluster is at hand: built with kustomize, decoded strictly into
// the types of the Kubernetes API, and compared with the image, the configuration and the worker that it is about.
package kubernetes
