// Package bench compares transfers with the usual tools, and workflows with bare ones. Only `make bench` runs it: it
// needs two hours and a machine of its own.
package bench
