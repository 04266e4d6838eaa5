/** Resolves symbolic links in paths, and compares such paths. */
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
