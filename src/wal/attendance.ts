/**
 * The record of the worker that archives each file of a data directory as soon as the file waits:
 *
 *   pg_wal/pgsql_tmp.holdfast.push/worker   pid and start time, the boot id, the invocation, the cluster's directory
 *
 * bin/holdfast-wal reads the file: while that process runs, the script waits for the marker of its file (see
 * pushed-markers.ts) instead of starting Node. The record says nothing about any file; a worker that is wrongly
 * believed to be there costs a moment: the script empties the record for which it has waited in vain, and the worker
 * writes the record again after its next look.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { thisProcess } from '../system/process-identity.ts';
import { readSmallFile } from '../system/small-file.ts';
import { isOwnDirectory, pushDirectory } from './our-directories.ts';
import { replaceMarker, type ArchiveDestination } from './pushed-markers.ts';

/** Records this process. A failure only means that the archiver does not wait for this process. */
export async function attend(
  walDirectory: string,
  { invocation, clusterDirectory }: ArchiveDestination,
): Promise<void> {
  const { pid, startedAt, boot } = thisProcess();
  const text = [`${pid} ${startedAt}`, boot, invocation ?? '-', clusterDirectory, ''].join('\n');
  const file = attendanceFile(walDirectory);
  if ((await readSmallFile(file).then(String, () => undefined)) === text) return;
  await replaceMarker(file, text).catch(() => undefined);
}

/** Removes the record of this process. In the data directory of another user there is none. */
export async function stopAttending(walDirectory: string): Promise<void> {
  const file = attendanceFile(walDirectory);
  if (!existsSync(file) || !(await isOwnDirectory(walDirectory))) return;
  const text = await readSmallFile(file).then(String, () => '');
  const { pid, startedAt } = thisProcess();
  if (text.startsWith(`${pid} ${startedAt}\n`)) await rm(file, { force: true }).catch(() => undefined);
}

function attendanceFile(walDirectory: string): string {
  return join(pushDirectory(walDirectory), 'worker');
}
