#!/bin/bash
# A page whose first sector was lost passes pg_checksums, pg_basebackup and pg_verifybackup; the server refuses to read it.
#
# Seen with:  Debian's postgresql-15 15.20-0+deb12u1, page checksums on
# Behaviour:  pg_checksums --check and the server's own check during pg_basebackup take a page whose pd_upper is 0 for a
#             new one, and look at nothing else in it. The server's PageIsVerified() takes it for new only if all of it
#             is zero. So a page that lost the sector with its header is counted as sound by each check, is in a base
#             backup without a warning, and is an error once it is read.
# Output:     pg_checksums: "Bad checksums:  0"; pg_basebackup: status 0, no output; pg_verifybackup: "backup successfully
#             verified"; the server: "ERROR:  invalid page in block 0 of relation base/5/16384"
# Date:       2026-11-29
# Run:        as root, on Debian 12; it installs the package, and fails if any of this changes.
set -euo pipefail
version=15.20-0+deb12u1
export DEBIAN_FRONTEND=noninteractive
if [ "$(dpkg-query -W -f '${Version}' postgresql-15 2>/dev/null)" != "$version" ]; then
  mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  apt-get update -qq >/dev/null
  apt-get install -y -qq --no-install-recommends "postgresql-15=$version" >/dev/null
fi
place=$(mktemp -d)
bin=/usr/lib/postgresql/15/bin
chown postgres "$place"
as() { setpriv --reuid postgres --regid postgres --init-groups env -C "$place" "$@"; }
stop() { as "$bin/pg_ctl" -D data -m immediate stop >/dev/null 2>&1 || true; rm -rf "$place"; }
trap stop EXIT
start() { as "$bin/pg_ctl" -D data -w -l log -o "-k $place -p 54399 -c listen_addresses=" start >/dev/null; }
sql() { as psql -X -q -t -A -h "$place" -p 54399 -d postgres -c "$1"; }
expect() { grep -q -- "$2" <<<"$1" || { printf 'expected "%s", got:\n%s\n' "$2" "$1" >&2; exit 1; }; }

as "$bin/initdb" -k -D data -A trust --no-sync >/dev/null
start
sql 'create table t as select g from generate_series(1, 1000) g'
file=$(sql "select pg_relation_filepath('t')")
as "$bin/pg_ctl" -D data -m fast -w stop >/dev/null
as dd if=/dev/zero of="data/$file" bs=512 count=1 conv=notrunc status=none

checked=$(as "$bin/pg_checksums" --check -D data)
expect "$checked" 'Bad checksums:  0'
start
copied=$(as "$bin/pg_basebackup" -h "$place" -p 54399 -D copy --checkpoint=fast 2>&1)
[ -z "$copied" ] || { echo "pg_basebackup said: $copied" >&2; exit 1; }
expect "$(as "$bin/pg_verifybackup" copy)" 'backup successfully verified'
read=$(sql 'select count(*) from t' 2>&1) && { echo "the server read it: $read" >&2; exit 1; }
expect "$read" 'invalid page in block 0 of relation'
echo "as before: $read"
