/** Checks the names of tar members: only names that a copy of a cluster can have are restored. Pure. */

/**
 * Returns `name` where the path stays below the root of the tar, and in a tablespace's tar below the directory
 * PG_<major>_<catalog version>. Other files in the directory of a tablespace do not belong to PostgreSQL.
 * @throws RangeError for every other name
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
