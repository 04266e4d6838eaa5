#!/bin/bash
# As much of the official image's behaviour as the tests rely on: initialises PGDATA at first, gives root up, and
# becomes the server with the arguments it was given.
#
#   POSTGRES_PASSWORD, or POSTGRES_HOST_AUTH_METHOD=trust     one of them is needed
#   POSTGRES_USER (postgres), POSTGRES_INITDB_ARGS, PGDATA
set -e

[ "${1:0:1}" != - ] || set -- postgres "$@"
[ "$1" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
  install -d -o postgres -g postgres -m 700 "$PGDATA"
  install -d -o postgres -g postgres -m 2775 /run/postgresql
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$BASH_SOURCE" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
  if [ -z "$POSTGRES_PASSWORD" ] && [ "$method" != trust ]; then
    echo 'set POSTGRES_PASSWORD, or POSTGRES_HOST_AUTH_METHOD=trust' >&2
    exit 1
  fi
  eval "initdb --username='${POSTGRES_USER:-postgres}' --pwfile=<(echo '${POSTGRES_PASSWORD:-unused}') $POSTGRES_INITDB_ARGS"
  echo "host all all all $method" >>"$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
fi
exec "$@"
