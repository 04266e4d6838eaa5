/**
 * Verifies a backup in the repository: every frame, every file against the manifest, what describes it against each
 * other, and every WAL segment that it needs. Whatever is wrong is listed; nothing is written.
 */
import { open, readFile, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { parseSegmentHeader } from '../postgres/wal-header.ts';
import { parseSegmentName, segmentRange } from '../postgres/wal-segment.ts';
import { readCompressed, readCompressedFile } from '../repository/compressed-file.ts';
import { whileReading } from '../repository/lock.ts';
import type { RepositoryBackup } from '../repository/repository-backup.ts';
import {
  continuationsOf,
  howToUsePartial,
  isPartialOnly,
  whatIsPartial,
} from '../repository/partial-segment.ts';
import { archivedPath } from '../repository/wal-archive.ts';
import { parseLsn } from '../postgres/lsn.ts';
import { readArchive } from './archive.ts';
import { shellWord } from './commands.ts';
import { findBreak, type SegmentFile } from '../postgres/segment-chain.ts';
import { extract, type Outcome } from './extraction/extract.ts';
import { readFrames, readManifest, refuseUnreadable, type StoredBackup } from './stored-backup.ts';
import { wrongFiles } from './whole-copy.ts';

export interface VerifyOptions {
  backup: StoredBackup;
  clusterDirectory: string;
  jobs: number;
  onProgress: (done: number, expected: number) => void;
}

export interface Verification {
  startedAt: Date;
  finishedAt: Date;
  /** None: it can be restored. */
  problems: string[];
  /** Those that were whole. */
  files: number;
  bytes: number;
  /** WAL segments that were looked at. */
  segments: number;
}

const kept = ['PG_VERSION', 'global/pg_control', 'backup_label', 'tablespace_map'];

/** @throws HoldfastError where the repository cannot be read: that says nothing about the backup */
export async function verify(options: VerifyOptions): Promise<Verification> {
  return whileReading(options.backup.meta, () => verifyLocked(options));
}

async function verifyLocked(options: VerifyOptions): Promise<Verification> {
  const { backup, clusterDirectory } = options;
  const problems = backup.description.damagedPages.map(damagedWhenCopied);
  const found = { startedAt: new Date(), problems, files: 0, bytes: 0 };
  const manifest = await orProblem(found.problems, readManifest(backup));
  const frames = await orProblem(found.problems, readFrames(backup));
  if (frames !== undefined) {
    const outcome = await extract({
      backup,
      manifest,
      frames,
      jobs: options.jobs,
      roots: undefined,
      kept,
      withheld: [],
      owner: undefined,
      onProgress: options.onProgress,
      onPart: ({ length }, isComplete) => {
        if (isComplete) found.files += 1;
        found.bytes += length;
      },
      onProblem: (problem) => found.problems.push(problem),
    });
    const contradiction = wrongFiles(outcome.kept, manifest, backup);
    if (contradiction !== undefined) found.problems.push(contradiction);
    found.problems.push(...(await copiesThatDiffer(outcome, backup)));
  }
  const segments = await verifyWal(backup, clusterDirectory, found.problems);
  return { ...found, segments, finishedAt: new Date() };
}

/** The files are what was copied, and what was copied is damaged. */
function damagedWhenCopied({ file, block }: RepositoryBackup['damagedPages'][number]): string {
  return `block ${block} of "${file}" was damaged when it was copied`;
}

async function orProblem<T>(problems: string[], reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'backup_damaged') throw error;
    problems.push(error.message);
    return undefined;
  }
}

/** Label and map are beside the backup, too, where they can be had without the tar. */
async function copiesThatDiffer({ kept: files }: Outcome, { meta }: StoredBackup): Promise<string[]> {
  const problems: string[] = [];
  for (const name of ['backup_label', 'tablespace_map']) {
    const path = join(meta, name);
    const copy = await readFile(path).catch((error: unknown) => refuseUnreadable(path, error));
    const original = files.get(name);
    if ((copy === undefined) !== (original === undefined) || copy?.equals(original ?? copy) === false)
      problems.push(`"${path}" is not the one in the backup`);
  }
  return problems;
}

/** In the archive and beside the backup; one that is in both may be two links to one file. */
async function verifyWal(
  { description, directory }: StoredBackup,
  clusterDirectory: string,
  problems: string[],
): Promise<number> {
  const { startWal, stopWal, walSegmentSize } = description;
  let looked = 0;
  const whole: SegmentFile[] = [];
  for (const name of segmentRange(startWal, stopWal, walSegmentSize)) {
    const places = [archivedPath(clusterDirectory, name), join(directory, 'pg_wal', `${name}.zst`)];
    const files = await differentFiles(places);
    if (files.length === 0) {
      const { problem, instead } = await lacking(name, description, clusterDirectory);
      if (problem !== undefined) problems.push(problem);
      files.push(...instead);
    }
    for (const path of files) {
      looked += 1;
      const problem = await segmentProblem(path, name, description);
      if (problem !== undefined) problems.push(`"${path}": ${problem}`);
      else if (whole.at(-1)?.name !== name) whole.push({ name, path });
    }
  }
  problems.push(...(await brokenChain(whole, walSegmentSize)));
  return looked;
}

/** A segment that is not there: where its timeline was left within it, that of the next one has what it had. */
async function lacking(
  name: string,
  { stopLsn, walSegmentSize }: RepositoryBackup,
  clusterDirectory: string,
): Promise<{ problem?: string; instead: string[] }> {
  const { histories, segments } = await readArchive(clusterDirectory);
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

/** Where segments that are whole do not follow each other: they are of two servers. */
async function brokenChain(files: readonly SegmentFile[], segmentSize: number): Promise<string[]> {
  const numbers = files.map(({ name }) => parseSegmentName(name, segmentSize).number);
  const hasHole = numbers.some((number, at) => at > 0 && number !== (numbers[at - 1] ?? 0n) + 1n);
  if (hasHole) return []; // which is said already
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

/** What is wrong with a stored segment; undefined: nothing. */
async function segmentProblem(
  path: string,
  name: string,
  description: RepositoryBackup,
): Promise<string | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    return await contentProblem(file, name, description);
  } catch (error) {
    refuseUnreadable(path, error);
    return messageOf(error);
  } finally {
    await file?.close();
  }
}

async function contentProblem(
  file: FileHandle,
  name: string,
  { walSegmentSize, systemIdentifier }: RepositoryBackup,
): Promise<string | undefined> {
  let size = 0;
  let problem: string | undefined;
  for await (const part of readCompressed(file, walSegmentSize)) {
    if (size === 0) {
      const header = parseSegmentHeader(part);
      const begins = parseSegmentName(name, walSegmentSize).number * BigInt(walSegmentSize);
      if (header.systemIdentifier !== systemIdentifier)
        problem = `it is of the system ${header.systemIdentifier}, not of ${systemIdentifier}`;
      else if (header.address !== begins) problem = 'it is another segment than its name says';
      else if (header.segmentSize !== walSegmentSize) problem = `its header says ${header.segmentSize} bytes`;
    }
    size += part.length;
  }
  return (
    problem ?? (size === walSegmentSize ? undefined : `it has ${size} bytes instead of ${walSegmentSize}`)
  );
}
