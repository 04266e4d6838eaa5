#!/usr/bin/env python3
"""Run a copy inside a backup, and write its label into a directory.

    backup.py LABEL DIRECTORY COMMAND [ARGUMENT ...]

DATABASE_URL names the control database; without it, PGHOST and its like do.
"""
import os
import subprocess
import sys
from pathlib import Path

try:
    import psycopg as driver
except ImportError:
    import psycopg2 as driver


def main(label, directory, *command):
    connection = driver.connect(os.environ.get("DATABASE_URL", ""))
    # The procedures commit while they wait. Without this, the driver would begin a transaction block.
    connection.autocommit = True
    cursor = connection.cursor()

    cursor.execute("CALL holdfast.start_backup(%s, fast => true)", (label,))
    backup_id, start_lsn = cursor.fetchone()
    print(f"backup {backup_id} is running from {start_lsn}")
    try:
        status = subprocess.run(command).returncode
        # GNU tar says 1 when a file changed as it was read, which recovery mends.
        if status not in (0, 1):
            raise SystemExit(f"the copy failed with {status}: the backup is cancelled")
    except BaseException:
        cursor.execute("CALL holdfast.cancel_backup(%s)", (backup_id,))
        raise

    cursor.execute("CALL holdfast.stop_backup(id => %s)", (backup_id,))
    _, backup_label, tablespace_map = cursor.fetchone()
    Path(directory, "backup_label").write_bytes(backup_label.encode())
    if tablespace_map is not None:
        Path(directory, "tablespace_map").write_bytes(tablespace_map.encode())
    print(f"backup {backup_id} is complete")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
