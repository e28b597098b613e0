#!/bin/sh
# Creates or upgrades the two databases, each named after its schema. Every step may be repeated.
set -eu

SQL_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
export SQL_PASSWORD

for SQL_DATABASE in temporal visibility; do
  export SQL_DATABASE
  temporal-sql-tool create
  temporal-sql-tool setup-schema -v 0.0
  temporal-sql-tool update-schema --schema-name "postgresql/v12/$SQL_DATABASE"
done
