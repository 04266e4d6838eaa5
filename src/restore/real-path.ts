/** Where a path really leads, and what lies there: paths alone do not tell, as links lead anywhere. */
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';

/** Without symbolic links, as far as the path is there. */
export async function realPathOf(path: string): Promise<string> {
  return realpath(path).catch(async () =>
    dirname(path) === path ? path : join(await realPathOf(dirname(path)), basename(path)),
  );
}

export function isBelowPath(path: string, directory: string): boolean {
  return `${path}${sep}`.startsWith(directory.endsWith(sep) ? directory : `${directory}${sep}`);
}

/** The data directory that such a place is in, or where a server has its WAL; undefined: it is in none. */
export function serverAround(place: string): string | undefined {
  for (let above = dirname(place); above !== dirname(above); above = dirname(above))
    if (['PG_VERSION', 'archive_status'].some((name) => existsSync(join(above, name)))) return above;
  return undefined;
}
