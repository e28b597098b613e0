// Package schema holds the JSON Schemas (2020-12) of pbsm.yaml and of pipelines, for editors. The
// files are written by make generate.
package schema

import _ "embed"

// Configuration is the schema of pbsm.yaml.
//
//go:embed pbsm.schema.json
var Configuration []byte

// Pipeline is the schema of a pipeline's definition.
//
//go:embed pipeline.schema.json
var Pipeline []byte
