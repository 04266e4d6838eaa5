/**
 * Verifies a backup in the repository: every frame, every file against backup_manifest, the descriptions of
 * the backup against each other, and every WAL segment that the backup needs. Reports all problems, and
 * writes nothing.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Verification } from '../control/verification-records.ts';
import { HoldfastError } from '../errors.ts';
import { withReaderLock } from '../system/file-lock.ts';
import type { DamagedPage } from '../repository/repository-backup.ts';
import { extract, type ExtractionOutcome } from '../extraction/extract.ts';
import { readFrames, readManifest } from '../repository/backup-inventory.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import { refuseUnreadable } from '../repository/repository-errors.ts';
import { verifyWal } from './verify-wal.ts';
import { wrongFiles } from '../recovery/backup-consistency.ts';

/** The options of verifyBackup(). */
export interface VerifyOptions {
  backup: StoredBackup;
  clusterDirectory: string;
  /** Number of extraction threads. */
  jobs: number;
  /** Reports the number of bytes done and expected. */
  onProgress: (done: number, expected: number) => void;
}

/** Files whose content is kept in memory during extraction. */
const kept = ['PG_VERSION', 'global/pg_control', 'backup_label', 'tablespace_map'];

/**
 * Verifies one backup. Problems of the backup are a part of the result.
 * @throws HoldfastError where the repository cannot be read; the state of the backup is then unknown
 */
export async function verifyBackup(options: VerifyOptions): Promise<Verification> {
  return withReaderLock(options.backup.meta, () => verifyLocked(options));
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

/**
 * The problem of a page that was already damaged on the server. The backup contains exactly these damaged
 * bytes.
 */
function damagedWhenCopied({ file, block }: DamagedPage): string {
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

/**
 * Compares backup_label and tablespace_map in the backup with the copies beside the backup, which are
 * available without extraction.
 */
async function copiesThatDiffer(
  { kept: files }: ExtractionOutcome,
  { meta }: StoredBackup,
): Promise<string[]> {
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
