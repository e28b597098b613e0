#!/bin/sh
# Creates the namespace and registers the search attributes. Every step may be repeated.
# Usage: setup-namespace.sh SEARCH_ATTRIBUTES_FILE (lines of NAME=Type, with # for comments)
set -eu

# The server takes some seconds to see a namespace or an attribute that was just created.
await() {
  for _ in $(seq 60); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 1
  done
  "$@"
}

change=create
if temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then change=update; fi
temporal operator namespace "$change" --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
await temporal operator search-attribute list

known=$(temporal operator search-attribute list)
attributes=$(grep -v '^#' "$1")
for attribute in $attributes; do
  name=${attribute%%=*}
  echo "$known" | grep -q -w "$name" ||
    temporal operator search-attribute create --name "$name" --type "${attribute#*=}"
done
for attribute in $attributes; do
  await temporal workflow count --query "${attribute%%=*} IS NULL"
done
