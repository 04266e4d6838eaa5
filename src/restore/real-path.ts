/** Resolves symbolic links in paths, and finds the server that a directory belongs to. */
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';

/** The path with all symbolic links resolved, as far as the path exists. */
export async function realPathOf(path: string): Promise<string> {
  return realpath(path).catch(async () =>
    dirname(path) === path ? path : join(await realPathOf(dirname(path)), basename(path)),
  );
}

/** Whether `path` is `directory`, or below `directory`. */
export function isBelowPath(path: string, directory: string): boolean {
  return `${path}${sep}`.startsWith(directory.endsWith(sep) ? directory : `${directory}${sep}`);
}

/** The data directory or the WAL directory that contains `place`; undefined if none does. */
export function serverAround(place: string): string | undefined {
  for (let above = dirname(place); above !== dirname(above); above = dirname(above))
    if (['PG_VERSION', 'archive_status'].some((name) => existsSync(join(above, name)))) return above;
  return undefined;
}
