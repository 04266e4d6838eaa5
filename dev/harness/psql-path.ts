// Where psql is, if there is one.
import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The newest psql of Debian's, which its own psql in PATH is only a slow wrapper around, or else the one in PATH. */
export const psqlPath: string | undefined = [
  ...debianDirectories(),
  ...(process.env['PATH'] ?? '').split(delimiter),
]
  .map((directory) => join(directory, 'psql'))
  .find(isExecutable);

function debianDirectories(): string[] {
  const root = '/usr/lib/postgresql';
  try {
    const newestFirst = readdirSync(root).sort((a, b) => Number(b) - Number(a));
    return newestFirst.map((version) => join(root, version, 'bin'));
  } catch {
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
