/** Writes tablespace_map of a restored data directory, and creates the symbolic links in pg_tblspc. */
import { lchown, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { formatTablespaceMap } from '../postgres/tablespace-map.ts';
import { writeOwned, type FileOwnership } from '../recovery/owned-files.ts';
import { bytePathBelow } from '../system/byte-path.ts';
import type { PlacedTablespace } from '../recovery/tablespace-placement.ts';

/**
 * Writes tablespace_map with the new locations, and creates the links that the server would create from the
 * map.
 * @throws HoldfastError `directory_unwritable`
 */
export async function linkTablespaces(
  { directory, major }: { directory: string; major: number },
  tablespaces: readonly PlacedTablespace[],
  owned: FileOwnership,
): Promise<void> {
  if (tablespaces.length === 0) return;
  const mapped = tablespaces.map(({ oid, location }) => ({ oid, location: bytePathBelow(location, '') }));
  await writeOwned(join(directory, 'tablespace_map'), formatTablespaceMap(mapped, major), owned);
  for (const { oid, location } of mapped) {
    const link = join(directory, 'pg_tblspc', oid);
    await symlink(location, link).catch(explainLink(link));
    if (owned.owner !== undefined) await lchown(link, owned.owner.uid, owned.owner.gid);
  }
}

/** PostgreSQL supports tablespaces by symbolic links only. */
function explainLink(link: string) {
  return (error: unknown): never => {
    throw new HoldfastError('failed', `the symbolic link "${link}" cannot be created: ${messageOf(error)}`, {
      code: 'directory_unwritable',
      hint: 'restore to a file system that has symbolic links: PostgreSQL needs them for tablespaces',
      cause: error,
    });
  };
}
