/**
 * Verifies the WAL segments that a backup needs: each segment, and that each segment continues the segment
 * before.
 */
import { stat, type FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { messageOf } from '../errors.ts';
import { parseLsn } from '../postgres/lsn.ts';
import { findBreak, type SegmentFile } from '../postgres/segment-chain.ts';
import { checkSegment, segmentHeaderBytes } from '../postgres/wal-header.ts';
import { parseSegmentName, segmentRange } from '../postgres/wal-segment.ts';
import { readCompressed, readCompressedFile } from '../repository/compressed-file.ts';
import {
  continuationsOf,
  howToUsePartial,
  isPartialOnly,
  whatIsPartial,
} from '../repository/partial-segment.ts';
import type { RepositoryBackup } from '../repository/repository-backup.ts';
import { archivedPath } from '../repository/wal-archive.ts';
import { readArchive, type ArchiveContents } from '../repository/archive-content.ts';
import { shellWord } from '../recovery/recovery-commands.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import { refuseUnreadable } from '../repository/repository-errors.ts';
import { openRegularFile } from '../system/regular-file.ts';

/**
 * Verifies the segments in the WAL archive and in the pg_wal directory of the backup, and adds the problems
 * to `problems`. Two links to the same file are verified once. Returns the number of files verified.
 * @throws HoldfastError where a file cannot be read
 */
export async function verifyWal(
  { description, directory }: StoredBackup,
  clusterDirectory: string,
  problems: string[],
): Promise<number> {
  const { startWal, stopWal, walSegmentSize } = description;
  let looked = 0;
  const whole: SegmentFile[] = [];
  let archive: Promise<ArchiveContents> | undefined; // read only if a segment is missing
  for (const name of segmentRange(startWal, stopWal, walSegmentSize)) {
    const places = [archivedPath(clusterDirectory, name), join(directory, 'pg_wal', `${name}.zst`)];
    const files = await differentFiles(places);
    if (files.length === 0) {
      archive ??= readArchive(clusterDirectory);
      const { problem, instead } = await lacking(name, description, clusterDirectory, await archive);
      if (problem !== undefined) problems.push(problem);
      files.push(...instead);
    }
    for (const path of files) {
      looked += 1;
      const problem = await segmentProblem(path, description);
      if (problem !== undefined) problems.push(`"${path}": ${problem}`);
      else if (whole.at(-1)?.name !== name) whole.push({ name, path });
    }
  }
  problems.push(...(await brokenChain(whole, walSegmentSize)));
  return looked;
}

/**
 * Handles a missing segment. If the timeline was left within the segment, the segment of the next timeline
 * contains the same WAL, and is returned in `instead`.
 */
async function lacking(
  name: string,
  { stopLsn, walSegmentSize }: RepositoryBackup,
  clusterDirectory: string,
  { histories, segments }: ArchiveContents,
): Promise<{ problem?: string; instead: string[] }> {
  const later = continuationsOf(name, histories, walSegmentSize);
  const [found = later[0]] = later.filter((one) => segments.has(one.segment));
  const isEnough = found === undefined || parseLsn(stopLsn) <= found.lsn;
  if (found !== undefined && isEnough && segments.has(found.segment))
    return { instead: [archivedPath(clusterDirectory, found.segment)] };
  const problem = `the WAL segment ${name} is missing`;
  if (!isEnough || !(await isPartialOnly(clusterDirectory, name))) return { problem, instead: [] };
  const continuation = found === undefined ? undefined : { ...found, isThere: false };
  const partial = { segment: name, clusterDirectory, continuation };
  const all = [problem, whatIsPartial(partial), howToUsePartial(partial, shellWord)];
  return { problem: all.join('; '), instead: [] };
}

/** Finds intact segments that do not continue the segment before, and so are from different servers. */
async function brokenChain(files: readonly SegmentFile[], segmentSize: number): Promise<string[]> {
  const numbers = files.map(({ name }) => parseSegmentName(name, segmentSize).number);
  const hasHole = numbers.some((number, at) => at > 0 && number !== (numbers[at - 1] ?? 0n) + 1n);
  if (hasHole) return []; // missing segments have been reported
  try {
    const found = await findBreak(files, { segmentSize, read: readCompressedFile });
    return found === undefined ? [] : [found.reason];
  } catch (error) {
    return [messageOf(error)];
  }
}

async function differentFiles(paths: readonly string[]): Promise<string[]> {
  const byIdentity = new Map<string, string>();
  for (const path of paths) {
    const stats = await stat(path).catch((error: unknown) => refuseUnreadable(path, error));
    if (stats) byIdentity.set(`${stats.dev}:${stats.ino}`, path);
  }
  return [...byIdentity.values()];
}

/** The problem of a stored segment; undefined if the segment is intact. */
async function segmentProblem(path: string, description: RepositoryBackup): Promise<string | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await openRegularFile(path);
    await checkContent(file, basename(path, '.zst'), description);
    return undefined;
  } catch (error) {
    refuseUnreadable(path, error);
    return messageOf(error);
  } finally {
    await file?.close();
  }
}

/** @throws RangeError with the problem */
async function checkContent(
  file: FileHandle,
  name: string,
  { walSegmentSize: segmentSize, systemIdentifier }: RepositoryBackup,
): Promise<void> {
  let size = 0;
  let beginning: Buffer | undefined;
  for await (const part of readCompressed(file, segmentSize)) {
    beginning ??= Buffer.from(part.subarray(0, segmentHeaderBytes));
    size += part.length;
  }
  checkSegment(beginning ?? Buffer.alloc(0), size, { name, segmentSize, systemIdentifier });
}
