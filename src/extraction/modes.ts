/**
 * Determines the modes of restored files and directories: those that PostgreSQL allows below a data directory. Other
 * users may be able to write to the repository, so no restored file is setuid, setgid, sticky, or writable by the
 * group or by others. Pure.
 */

/**
 * Returns the mode of a file: at most rwx for the owner and r-x for the group. A file that was read-only for the
 * owner stays read-only.
 */
export function fileMode(stored: number): number {
  return stored & 0o750;
}

/** Returns the mode of a directory: always rwx for the owner, because the server creates files in the directory. */
export function directoryMode(stored: number): number {
  return (stored & 0o050) | 0o700;
}
