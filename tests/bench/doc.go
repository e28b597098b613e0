// Package bench measures transfers against the tools that people use today, and workflows against bare ones. It is run by
// `make bench`, and by nothing else: it needs two hours and a machine of its own.
package bench
