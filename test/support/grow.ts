// Makes a repository older than it is.
import { readdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatRepositoryBackup, parseRepositoryBackup } from '../../src/repository/repository-backup.ts';
import { archivedPath, archivedSegments } from '../../src/repository/wal-archive.ts';
import type { RepositoryScene } from './repository-scene.ts';

const day = 86_400_000;

/** As if everything in the repository had been made so many days earlier. */
export async function grow(scene: RepositoryScene, days: number): Promise<void> {
  const earlier = (time: string) => new Date(Date.parse(time) - days * day).toISOString();
  const backups = join(scene.directory, 'backups');
  const names = (await readdir(backups)).filter((name) => /^\d+T\d+Z-\d+$/.test(name)).sort();
  for (const name of names) {
    const file = join(backups, `${name}.meta`, 'backup.json');
    const description = parseRepositoryBackup(file, await readFile(file));
    const startedAt = earlier(description.startedAt);
    const older = { ...description, startedAt, stoppedAt: earlier(description.stoppedAt) };
    await writeFile(file, formatRepositoryBackup(older));
    const renamed = join(backups, `${startedAt.replaceAll(/[-:]|\.\d+/g, '')}-${description.id}`);
    await rename(join(backups, `${name}.meta`), `${renamed}.meta`);
    await rename(join(backups, name), renamed);
  }
  for (const segment of await archivedSegments(scene.directory)) {
    const file = archivedPath(scene.directory, segment);
    const { mtimeMs } = await stat(file);
    await utimes(file, (mtimeMs - days * day) / 1000, (mtimeMs - days * day) / 1000);
  }
}
