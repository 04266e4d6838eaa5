#!/bin/bash
# A snapshot of the file system, taken inside a backup.
#
#   snapshot.sh LABEL DIRECTORY btrfs SUBVOLUME SNAPSHOT
#   snapshot.sh LABEL DIRECTORY zfs DATASET@SNAPSHOT       (zfs snapshot -r: with the datasets below it)
#   snapshot.sh LABEL DIRECTORY lvm VOLUME_GROUP/VOLUME SNAPSHOT SIZE
#
# DIRECTORY gets backup_label and tablespace_map. To restore, put them into the data directory of a writable clone
# ("holdfast place"). Tablespaces on other file systems need a snapshot each, before the stop.
#
# PostgreSQL also recovers from one atomic snapshot of everything without all this. With it, the snapshot can be
# recovered to any later time from the archive, and several snapshots belong together.
set -eu
label=${1:?give the label of the backup}
directory=${2:?give the directory for backup_label and tablespace_map}
shift 2
holdfast=${HOLDFAST:-holdfast}

snapshot() {
  case $1 in
    btrfs) btrfs subvolume snapshot -r "$2" "$3" ;;
    zfs) zfs snapshot -r "$2" ;;
    lvm) lvcreate --snapshot --name "$3" --size "$4" "$2" ;;
    *) echo "unknown kind of snapshot: $1" >&2; return 2 ;;
  esac
}

"$holdfast" start "$label" --fast
if ! snapshot "$@"; then
  "$holdfast" cancel --label "$label"
  exit 1
fi
"$holdfast" stop "$label" --to "$directory"
