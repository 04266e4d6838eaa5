#!/bin/sh
# sync_command = ["/usr/local/lib/holdfast/restic.sh"]
#
# RESTIC_REPOSITORY and RESTIC_PASSWORD_FILE come from the worker's environment. A snapshot for each run, tagged with
# the backup that it holds; one that is tried again has the same time.
set -eu
backup=$1
present=$2
time=$(echo "$present" | sed -E 's/^(....)(..)(..)T(..)(..)(..)Z$/\1-\2-\3 \4:\5:\6/')
TZ=UTC restic backup --quiet --host holdfast --tag "holdfast,backup=$backup" --time "$time" .
