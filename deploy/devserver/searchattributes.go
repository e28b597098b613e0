package main

import (
	_ "embed"
	"fmt"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
)

//go:embed search-attributes.txt
var searchAttributeTable string

type searchAttributes map[string]enumspb.IndexedValueType

func defaultSearchAttributes() (searchAttributes, error) {
	attrs := searchAttributes{}
	for line := range strings.Lines(searchAttributeTable) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := attrs.add(line); err != nil {
			return nil, err
		}
	}
	return attrs, nil
}

// add parses NAME=Type, with Temporal's names of types: Keyword, Text, Int, Double, Bool, Datetime, KeywordList.
func (s searchAttributes) add(pair string) error {
	name, typeName, ok := strings.Cut(pair, "=")
	if !ok || name == "" {
		return fmt.Errorf("search attribute %q: want NAME=Type", pair)
	}
	t, err := enumspb.IndexedValueTypeFromString(typeName)
	if err != nil || t == enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED {
		return fmt.Errorf("search attribute %q: unknown type %q, want one of Keyword, Text, Int, Double, Bool, Datetime, KeywordList", name, typeName)
	}
	s[name] = t
	return nil
}
