#!/usr/bin/env bash
# The way it is done without Holdfast: a psql left behind in the background holds the session, told what to do
# through a pipe, and the scripts look every five seconds whether it has answered.
set -eu
directory=$1 url=$2
mkfifo "$directory/commands"
psql -XqAt -v ON_ERROR_STOP=1 "$url" < "$directory/commands" > "$directory/answers" 2>&1 &
exec 3> "$directory/commands"
( exec 3>&-; exec sleep infinity > "$directory/commands" ) &
echo $! > "$directory/pipe-holder"
echo "select 'started ' || pg_backup_start('scripted', true);" >&3
until grep -q '^started ' "$directory/answers"; do sleep 5; done
