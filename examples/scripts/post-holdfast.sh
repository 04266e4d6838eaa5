#!/bin/bash
# Post-script: finishes the backup and writes its label and map into a directory. Where the copy has failed, it cancels
# the backup.
#
#   post-holdfast.sh LABEL DIRECTORY [STATUS OF THE COPY]
#
# holdfast finds the control database through DATABASE_URL or its configuration file.
set -eu
label=${1:?give the label of the backup}
directory=${2:?give the directory for backup_label and tablespace_map}

if [ "${3:-0}" -ne 0 ]; then
  "${HOLDFAST:-holdfast}" cancel --label "$label"
  exit 1
fi
exec "${HOLDFAST:-holdfast}" stop "$label" --to "$directory" --timeout 1h
