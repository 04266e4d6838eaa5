#!/bin/bash
# Pre-script, with psql alone: returns 0 once it is safe to copy.
#
#   pre-psql.sh LABEL
#
# psql finds the control database through PGHOST, PGDATABASE, PGUSER and ~/.pgpass.
set -eu
label=${1:?give the label of the backup}

psql -X -q -v ON_ERROR_STOP=1 -v label="$label" <<'SQL'
CALL holdfast.start_backup(:'label', fast => true, timeout => '10 min');
SQL
