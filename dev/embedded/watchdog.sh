#!/bin/sh
# Ends a server, and removes its directory, once the process that started it is gone, whatever ended that process.
#
#   watchdog.sh DATA_DIRECTORY SIGNAL [DIRECTORY_TO_REMOVE]
#
# Standard input is a pipe that only that process holds: each line is the process id of a server just started, and
# its end means that the process is gone, or that it wants the server gone.

data=$1
signal=$2
remove=$3
server=

while read -r line; do server=$line; done

# The number may have been given to another process since: look whether it is still a server of this directory.
running() {
  [ -n "$server" ] || return 1
  if [ -d /proc/self ]; then
    tr '\0' ' ' 2>/dev/null <"/proc/$server/cmdline"
  else
    ps -o args= -p "$server"
  fi | grep -qF -e "-D $data "
}

children() {
  cat "/proc/$server/task/$server/children" 2>/dev/null ||
    ps -A -o pid=,ppid= | awk -v parent="$server" '$2 == parent { print $1 }'
}

waited=0
if running; then
  kill -CONT "$server"
  kill "-$signal" "$server"
  while running; do
    sleep 0.02
    waited=$((waited + 1))
    case "$signal $waited" in
      # In an immediate shutdown a child that was not ready for the signal holds it up for five seconds.
      # The server itself is left to end by its own means: it has shared memory to give back.
      "QUIT 25") kill -KILL $(children) ;;
      *" 1000") kill -KILL "$server" ;;
    esac
  done
fi 2>/dev/null

# A server that was killed has left its shared memory behind.
segment=$(sed -n '7s/.* //p' "$data/postmaster.pid" 2>/dev/null)
[ -z "$segment" ] || ipcrm -m "$segment" 2>/dev/null

# An archive command that was under way may still write a file into a directory being removed.
[ -z "$remove" ] || rm -rf "$remove" 2>/dev/null || rm -rf "$remove"
