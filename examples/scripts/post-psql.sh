#!/bin/bash
# Post-script, with psql alone: finishes the backup and writes its label and map into a directory. Where the copy has
# failed, it cancels the backup.
#
#   post-psql.sh LABEL DIRECTORY [STATUS OF THE COPY]
#
# psql finds the control database through PGHOST, PGDATABASE, PGUSER and ~/.pgpass.
set -eu
label=${1:?give the label of the backup}
directory=${2:?give the directory for backup_label and tablespace_map}
copy_status=${3:-0}

if [ "$copy_status" -ne 0 ]; then
  psql -X -q -v ON_ERROR_STOP=1 -v label="$label" <<'SQL'
CALL holdfast.cancel_backup(label => :'label');
SQL
  exit 1
fi

psql -X -A -t -q -v ON_ERROR_STOP=1 -v label="$label" -v directory="$directory" <<'SQL'
CALL holdfast.stop_backup(:'label', timeout => '1 hour') \gset
-- psql ends its output with a newline, in place of the one that is trimmed.
\set file :directory '/backup_label'
SELECT rtrim(:'backup_label', E'\n') \g :file
\if :{?tablespace_map}
  \set file :directory '/tablespace_map'
  SELECT rtrim(:'tablespace_map', E'\n') \g :file
\endif
SQL
