#!/bin/sh
# sync_command = ["/usr/local/lib/holdfast/rsync.sh", "backup@offsite:/srv/holdfast/main"]
#
# Adds to a directory that is a repository itself: "holdfast restore --repository /srv/holdfast" restores from it.
# What describes a backup follows the backup, so that a half-sent one is not listed there.
set -eu
destination=$1
rsync -rlt --partial --exclude='/backups/*.meta' ./ "$destination/"
rsync -rlt --partial ./ "$destination/"
