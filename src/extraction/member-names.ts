/** Which names of tar members are restored: those that a copy of a cluster can have. Pure. */

/**
 * The name, where it stays below the root of its tar, and in a tablespace's tar below that tablespace's own directory
 * PG_<major>_<catalog version>: what else is at the place of a tablespace is none of PostgreSQL's files.
 * @throws RangeError for any other
 */
export function safeName(tar: string, name: string, major: number): string {
  const parts = name.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0')))
    throw new RangeError(`the member "${name}" leads elsewhere`);
  const isTablespace = /^\d+\.tar\.zst$/.test(tar);
  if (isTablespace && !versionDirectory(major).test(parts[0] ?? ''))
    throw new RangeError(`the member "${name}" is not below the directory of PostgreSQL ${major}`);
  return name;
}

function versionDirectory(major: number): RegExp {
  return new RegExp(`^PG_${major}_\\d+$`);
}
