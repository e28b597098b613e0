// Package workflows holds the durable workflows of a nightly close on Oracle's Profitability and Balance Sheet
// Management Cloud Service, and the types with which other teams start them and send them commands.
//
// Inputs and results are JSON with snake_case keys: the Temporal UI, the command line and other workflows
// send the same inputs and read the same results.
package workflows
