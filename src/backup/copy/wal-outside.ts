/** Where the pg_wal of a server is that is not on the volume of its data directory. */
import { readlink, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/**
 * Returns the absolute target of the symbolic link pg_wal, or the path of pg_wal itself where a volume is mounted there;
 * undefined: pg_wal is a directory as any other.
 */
export async function walOutside(dataDirectory: string): Promise<string | undefined> {
  const path = join(dataDirectory, 'pg_wal');
  const link = await readlink(path).catch(() => undefined);
  if (link !== undefined) return resolve(dataDirectory, link);
  const [data, wal] = await Promise.all([stat(dataDirectory), stat(path)]);
  return data.dev === wal.dev ? undefined : path;
}
