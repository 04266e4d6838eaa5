/** The timelines of an archive, by their history files. */
import { readFile } from 'node:fs/promises';
import { parseHistoryFile, type Ancestor } from '../postgres/timeline-history.ts';
import { archivedPath, timelineHistories } from './wal-archive.ts';

/**
 * Reads the timeline history files of an archive; the key is the timeline.
 * @throws HoldfastError where a file is damaged
 */
export async function archivedHistories(clusterDirectory: string): Promise<Map<number, Ancestor[]>> {
  const histories = new Map<number, Ancestor[]>();
  for (const name of await timelineHistories(clusterDirectory)) {
    const path = archivedPath(clusterDirectory, name);
    histories.set(Number.parseInt(name, 16), parseHistoryFile(path, await readFile(path)));
  }
  return histories;
}
