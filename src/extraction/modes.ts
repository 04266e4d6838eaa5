/**
 * The modes that a restored file or directory may have: those that PostgreSQL allows below a data directory. A backup
 * comes out of a repository that others may be able to write, so that nothing of it becomes setuid, setgid, sticky, or
 * writable by a group or by everybody. Pure.
 */

/** Its owner may not even write it where that was so; its group may read and run it. */
export function fileMode(stored: number): number {
  return stored & 0o750;
}

/** Its owner may do everything: the server makes files in it. */
export function directoryMode(stored: number): number {
  return (stored & 0o050) | 0o700;
}
