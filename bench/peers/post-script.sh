#!/usr/bin/env bash
set -eu
directory=$1
echo "select labelfile from pg_backup_stop(false); select 'stopped';" > "$directory/commands"
until grep -q '^stopped' "$directory/answers"; do sleep 5; done
kill "$(cat "$directory/pipe-holder")"
grep -q '^START WAL LOCATION' "$directory/answers"
