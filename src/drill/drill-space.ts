/**
 * Checks whether a drill has enough free disk space. The check comes before anything is restored, because a
 * full disk affects other programs, too.
 */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { segmentRange } from '../postgres/wal-segment.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import type { RepositoryBackup } from '../repository/repository-backup.ts';
import { freeBytes } from '../system/free-bytes.ts';
import { findScratches } from './abandoned-drills.ts';

/** Bytes of WAL that the private server keeps during recovery, at most. */
export function mostWal(walSegmentSize: number): number {
  return Math.max(512 << 20, 8 * walSegmentSize);
}

/**
 * Bytes of the files and of the WAL. The growth of files during replay is not known in advance. `links`: the chain of
 * the backup, whose sizes add up to more than what is restored.
 */
export function expectedBytes(backup: RepositoryBackup, links: readonly StoredBackup[]): number {
  const bytes = links.reduce((sum, { description }) => sum + description.bytes, 0);
  const { startWal, stopWal, walSegmentSize } = backup;
  const own = segmentRange(startWal, stopWal, walSegmentSize).length * walSegmentSize;
  return bytes + own + mostWal(walSegmentSize);
}

/**
 * Requires `expected` bytes of free space in the drill directory, beyond the space that earlier drills still
 * expect to use. Of two drills at the same time, the later drill fails.
 * @throws HoldfastError `no_room`
 */
export async function requireDrillSpace(
  drillDirectory: string,
  mine: string,
  expected: number,
): Promise<void> {
  const free = await freeBytes(drillDirectory);
  if (free === undefined) return;
  const promised = await promisedToOthers(drillDirectory, mine);
  if (free - promised >= expected) return;
  const others = promised === 0 ? '' : `, of which ${size(promised)} are for a drill that is under way`;
  throw new HoldfastError(
    'failed',
    `"${drillDirectory}" has no room for the drill: it may take ${size(expected)}, and ${size(free)} are free${others}`,
    {
      code: 'no_room',
      hint: 'make room there, or choose another drill_directory (of the cluster, or --directory)',
    },
  );
}

async function promisedToOthers(drillDirectory: string, mine: string): Promise<number> {
  const all = await findScratches(drillDirectory);
  const me = all.find(({ directory }) => directory === mine);
  let promised = 0;
  for (const { directory, owner, alive } of all) {
    if (alive === false || directory === mine || !isEarlier(owner.createdAt, directory, me)) continue;
    promised += Math.max(0, owner.expected - (await takenBy(directory)));
  }
  return promised;
}

function isEarlier(
  createdAt: string,
  directory: string,
  me: { directory: string; owner: { createdAt: string } } | undefined,
): boolean {
  return me === undefined || `${createdAt} ${directory}` < `${me.owner.createdAt} ${me.directory}`;
}

/** Bytes on disk. */
async function takenBy(path: string): Promise<number> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return 0;
  if (!stats.isDirectory()) return stats.blocks * 512;
  let taken = 0;
  for (const name of await readdir(path).catch(() => [])) taken += await takenBy(join(path, name));
  return taken;
}

function size(bytes: number): string {
  const megabytes = bytes / (1 << 20);
  return megabytes >= 10_240 ? `${(megabytes / 1024).toFixed(1)} GB` : `${megabytes.toFixed(1)} MB`;
}
