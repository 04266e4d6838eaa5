#!/bin/sh
# sync_command = ["/usr/local/lib/holdfast/rclone.sh", "remote:bucket/holdfast/main"]
#
# Files never change: --immutable makes rclone refuse one that has. What describes a backup follows the backup.
set -eu
destination=$1
rclone copy --immutable --exclude '/backups/*.meta/**' . "$destination"
rclone copy --immutable . "$destination"
