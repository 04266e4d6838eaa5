/**
 * Verifies a backup in the repository: every frame, every file against backup_manifest, the descriptions of
 * the backup against each other, and every WAL segment that the backup needs. Reports all problems, and
 * writes nothing.
 */
import { join } from 'node:path';
import type { Verification } from '../control/verification-records.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import { parseLsn } from '../postgres/lsn.ts';
import type { Manifest } from '../postgres/read-manifest.ts';
import type { FrameEntry } from '../repository/frame-index.ts';
import { withReaderLock } from '../system/file-lock.ts';
import { linkName } from '../repository/backup-chain.ts';
import { withChainLock } from '../repository/stored-chain.ts';
import type { DamagedPage } from '../repository/repository-backup.ts';
import { supersededFiles } from '../extraction/chain-layers.ts';
import { extract, type ExtractionOutcome } from '../extraction/extract.ts';
import type { ChainLayer } from '../extraction/extraction-messages.ts';
import { readFrames, readManifest } from '../repository/backup-inventory.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import { refuseUnreadable } from '../repository/repository-errors.ts';
import { verifyWal } from './verify-wal.ts';
import { wrongFiles } from '../recovery/backup-consistency.ts';
import { readSmallFile } from '../system/small-file.ts';

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
 * Verifies one backup, with all links that it stands on. Problems of the backup are a part of the result; those of
 * another link begin with the name of that link.
 * @throws HoldfastError where the repository cannot be read; the state of the backup is then unknown
 */
export async function verifyBackup(options: VerifyOptions): Promise<Verification> {
  const { backup } = options;
  try {
    return await withChainLock(backup, (links) => verifyLinks(options, links, []));
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'backup_chain_broken') throw error;
    return withReaderLock(backup.meta, () => verifyLinks(options, [backup], [error.message]));
  }
}

async function verifyLinks(
  options: VerifyOptions,
  links: readonly StoredBackup[],
  problems: string[],
): Promise<Verification> {
  const { backup, clusterDirectory } = options;
  const found: Found = { startedAt: new Date(), problems, files: 0, bytes: 0 };
  const inventories: ReadableParts[] = [];
  for (const link of links) {
    const manifest = await orProblem(found.problems, readManifest(link));
    inventories.push({ manifest, frames: await orProblem(found.problems, readFrames(link)) });
  }
  const sizes = inventories.map(({ frames = [] }) => sum(frames.map(({ size }) => size)));
  const expected = sum(sizes);
  for (const [index, link] of links.entries()) {
    const before = sum(sizes.slice(0, index));
    const onProgress = (done: number) => options.onProgress(before + done, expected);
    const own: Found = {
      ...found,
      problems: link.description.damagedPages.map(damagedWhenCopied),
      files: 0,
      bytes: 0,
    };
    const layer = links.length > 1 ? verifiedLayer(link) : undefined;
    await verifyLink(link, { ...(inventories[index] ?? nothing), layer }, { ...options, onProgress }, own);
    found.files += own.files;
    found.bytes += own.bytes;
    const of = link === backup ? '' : `${linkName(link)}: `;
    found.problems.push(...own.problems.map((problem) => `${of}${problem}`));
  }
  found.problems.push(...withoutWhole(inventories));
  const segments = await verifyWal(backup, clusterDirectory, found.problems);
  return { ...found, segments, finishedAt: new Date() };
}

/** undefined: the file cannot be read. */
interface ReadableParts {
  manifest: Manifest | undefined;
  frames: FrameEntry[] | undefined;
}

const nothing: ReadableParts = { manifest: undefined, frames: undefined };

type Found = Pick<Verification, 'startedAt' | 'problems' | 'files' | 'bytes'>;

async function verifyLink(
  backup: StoredBackup,
  { manifest, frames, layer }: ReadableParts & { layer: ChainLayer | undefined },
  { jobs, onProgress }: VerifyOptions,
  found: Found,
): Promise<void> {
  if (frames === undefined) return;
  const outcome = await extract({
    backup,
    manifest,
    frames,
    jobs,
    roots: undefined,
    kept,
    withheld: [],
    owner: undefined,
    layer,
    onProgress,
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

/** The pages of all links are verified as they are going to be restored: each as the block that it is. */
function verifiedLayer({ description }: StoredBackup): ChainLayer {
  const verifiedFrom = description.checksums ? parseLsn(description.startLsn) : undefined;
  return { geometry: description, superseded: new Set(), isLast: true, verifiedFrom };
}

/** Incremental files without a whole file to which their blocks belong. */
function withoutWhole(inventories: readonly ReadableParts[]): string[] {
  const manifests = inventories.flatMap(({ manifest }) => manifest ?? []);
  if (manifests.length < inventories.length || manifests.length === 1) return [];
  try {
    supersededFiles(manifests);
    return [];
  } catch (error) {
    return [messageOf(error)];
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
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
    const copy = await readSmallFile(path).catch((error: unknown) => refuseUnreadable(path, error));
    const original = files.get(name);
    if ((copy === undefined) !== (original === undefined) || copy?.equals(original ?? copy) === false)
      problems.push(`"${path}" is not the one in the backup`);
  }
  return problems;
}
