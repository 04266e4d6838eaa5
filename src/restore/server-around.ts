/** Finds the server that a directory belongs to. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The data directory or the WAL directory that contains `place`; undefined if none does. */
export function serverAround(place: string): string | undefined {
  for (let above = dirname(place); above !== dirname(above); above = dirname(above))
    if (['PG_VERSION', 'archive_status'].some((name) => existsSync(join(above, name)))) return above;
  return undefined;
}
