/**
 * The content of an off-site sync: the newest backup of a cluster and the WAL since its start, which is all
 * that a restore to the present needs. With an incremental copy come all copies that it cannot be restored without.
 * The files are staged with hard links in a directory of their own, which has the layout of a repository. A staged
 * file stays until the directory of another backup replaces the staged one, even if its source expires.
 *
 *   <cluster>/sync/<backup>/   backups/<link>/ backups/<link>.meta/ … wal/ cluster.json
 *
 * A cluster without a backup here, because its copies go elsewhere, has its whole archive staged.
 */
import { rename, rm } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { freeBytes } from '../system/free-bytes.ts';
import { removeTree } from '../system/remove-tree.ts';
import { linkOrCopy } from '../system/link-or-copy.ts';
import { beside, within } from '../system/held-directory.ts';
import { makeBelow } from '../system/make-below.ts';
import { BackupChains } from '../repository/backup-chain.ts';
import { isBackupName } from '../repository/backup-name.ts';
import { listedNames } from '../repository/catalog.ts';
import {
  backupsDirectory,
  metaDirectory,
  namesIn,
  parseRepositoryBackup,
  type RepositoryBackup,
} from '../repository/repository-backup.ts';
import { walDirectory, walFileKind } from '../repository/wal-archive.ts';
import { listMarked, listMarkedBelow, type FileMarks } from './file-marks.ts';
import { readSmallFile } from '../system/small-file.ts';

/** A backup and the WAL that is sent with the backup. */
export interface SyncScope {
  /** The name of the backup; null means that there is none. */
  backup: string | null;
  /** The names of the copies that a restore of the backup reads, from the full copy to the backup. */
  links: readonly string[];
  /** The first segment; null means the whole archive. */
  from: string | null;
}

/** The name of the directory if there is no backup. */
const none = 'none';

/** The directory of all off-site data of a cluster. */
export function directoryForSync(clusterDirectory: string): string {
  return join(clusterDirectory, 'sync');
}

/** The directory in which a scope is staged: the working directory of the program. */
export function contentDirectory(clusterDirectory: string, { backup }: Pick<SyncScope, 'backup'>): string {
  return join(directoryForSync(clusterDirectory), backup ?? none);
}

/** The first timestamp that the program gets: the start of the backup, or `none`. */
export function timestampOf({ backup }: Pick<SyncScope, 'backup'>): string {
  return backup === null ? none : backup.slice(0, backup.indexOf('-'));
}

/**
 * The newest backup in the repository that can be restored, as far as the descriptions tell; or the whole archive
 * without a backup.
 */
export async function newestScope(clusterDirectory: string): Promise<SyncScope> {
  for (const name of (await listedNames(clusterDirectory)).toReversed()) {
    const scope = await scopeOf(clusterDirectory, name);
    if (scope !== undefined) return scope;
  }
  return noBackup;
}

const noBackup: SyncScope = { backup: null, links: [], from: null };

/**
 * What has to be sent next, where `sent` was sent last and `newest` is the newest backup. The links of a chain are sent
 * one after the other, so that no incremental copy is off-site before all that a restore of the copy reads.
 */
export async function nextScope(
  clusterDirectory: string,
  sent: string | null | undefined,
  newest: SyncScope,
): Promise<SyncScope> {
  const next = newest.links[newest.links.findIndex((name) => name === sent) + 1];
  return (next === undefined ? undefined : await scopeOf(clusterDirectory, next)) ?? newest;
}

/** A staged backup, which may have expired from the repository. undefined if its description cannot be read. */
export async function stagedScope(
  clusterDirectory: string,
  backup: string | null,
): Promise<SyncScope | undefined> {
  if (backup === null) return noBackup;
  return scopeOf(contentDirectory(clusterDirectory, { backup }), backup);
}

/**
 * The scope of a backup in `root`, which has the layout of a repository; undefined if the backup or a link of its chain
 * cannot be read, or the chain is broken. No restore could read such a backup either.
 */
async function scopeOf(root: string, name: string): Promise<SyncScope | undefined> {
  const listed = await listedNames(root);
  const links: string[] = [];
  const read: { description: RepositoryBackup }[] = [];
  for (let next: string | undefined = name; next !== undefined && !links.includes(next);) {
    const description: RepositoryBackup | undefined = listed.includes(next)
      ? await descriptionOf(root, next)
      : undefined;
    if (description === undefined) return undefined;
    links.unshift(next);
    read.unshift({ description });
    next = description.incremental?.parent;
  }
  const chains = new BackupChains({ backups: read, damaged: [], expiring: [] });
  const backup = read.at(-1);
  if (backup === undefined || chains.of(backup).broken !== undefined) return undefined;
  return { backup: name, links, from: backup.description.startWal };
}

async function descriptionOf(root: string, name: string): Promise<RepositoryBackup | undefined> {
  const file = join(metaDirectory(join(backupsDirectory(root), name)), 'backup.json');
  try {
    return parseRepositoryBackup(file, await readSmallFile(file));
  } catch {
    return undefined;
  }
}

/** The archived files of a scope, relative to the directory of the cluster. */
export async function walOf(clusterDirectory: string, subject: SyncScope): Promise<FileMarks> {
  const wal = walDirectory(clusterDirectory);
  const { files, directories } = await listMarked(wal);
  const found: FileMarks = new Map();
  for (const [name, mark] of files)
    if (walFileKind(name) === 'timeline history') found.set(`wal/${name}`, mark);
  for (const log of directories.filter((name) => /^[0-9A-F]{16}$/.test(name) && hasAny(name, subject))) {
    for (const [name, mark] of (await listMarked(join(wal, log))).files)
      if (isArchived(name) && belongs(name, subject)) found.set(`wal/${log}/${name}`, mark);
  }
  return found;
}

function isArchived(name: string): boolean {
  return walFileKind(name.replace(/\.zst$/, '')) !== undefined;
}

/**
 * Whether a file is part of a scope. WAL of a later timeline is newer, wherever the timeline branched off.
 */
function belongs(name: string, { from }: SyncScope): boolean {
  if (from === null) return true;
  const [timeline, start] = [name.slice(0, 8), from.slice(0, 8)];
  return timeline > start || (timeline === start && name.slice(8, 24) >= from.slice(8, 24));
}

function hasAny(log: string, { from }: SyncScope): boolean {
  return from === null || log.slice(0, 8) > from.slice(0, 8) || log >= from.slice(0, 16);
}

/** All files of a scope, relative to the directory of the cluster. */
export async function filesToSync(clusterDirectory: string, subject: SyncScope): Promise<FileMarks> {
  const found = await walOf(clusterDirectory, subject);
  for (const part of subject.links.flatMap((name) => [`backups/${name}`, `backups/${name}.meta`]))
    for (const [path, mark] of await listMarkedBelow(clusterDirectory, part)) found.set(path, mark);
  const identity = (await listMarked(clusterDirectory)).files.get('cluster.json');
  if (identity !== undefined) found.set('cluster.json', identity);
  return found;
}

/** The files of a scope that are staged, relative to the directory in which they are staged. */
export function stagedFiles(
  clusterDirectory: string,
  subject: Pick<SyncScope, 'backup'>,
): Promise<FileMarks> {
  return listMarkedBelow(contentDirectory(clusterDirectory, subject), '');
}

/** A hash of the names, sizes and modification times of files, independent of their order. */
export function fingerprint(files: FileMarks): string {
  const lines = [...files].map(([path, mark]) => `${path} ${mark}`);
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex');
}

/**
 * Stages the files that are not staged yet, or were replaced since. Returns all staged files. `walReserve`: bytes that
 * are kept for WAL where files have to be copied.
 * @throws HoldfastError `repository_full` where a copy would take from them
 */
export function stageFiles(
  clusterDirectory: string,
  subject: SyncScope,
  walReserve: number,
): Promise<FileMarks> {
  return within(clusterDirectory, (at) => layOutIn(at, subject, walReserve));
}

async function layOutIn(
  clusterDirectory: string,
  subject: SyncScope,
  walReserve: number,
): Promise<FileMarks> {
  const directory = contentDirectory(clusterDirectory, subject);
  const unready = join(directoryForSync(clusterDirectory), 'unready');
  await beside(unready, remove);
  // The source of a staged link may have been overwritten in place, which changes no staged directory.
  const there = await listMarkedBelow(directory, '', true);
  const files = await filesToSync(clusterDirectory, subject);
  for (const [file, mark] of files) {
    if (there.get(file) === mark) continue;
    const mayTake = (bytes: number) => requireReserve(clusterDirectory, bytes, walReserve);
    const isPlaced = await place(join(clusterDirectory, file), {
      to: join(directory, file),
      unready,
      mayTake,
    });
    if (isPlaced) there.set(file, mark);
  }
  if (subject.backup !== null) return there;
  // Without a backup, no file of the archive is needed any more after its expiry.
  for (const file of [...there.keys()].filter((path) => !files.has(path))) {
    await beside(join(directory, file), remove);
    there.delete(file);
  }
  return there;
}

/** Removes the staged files of other backups. */
export async function clearOthers(clusterDirectory: string, subject: SyncScope): Promise<void> {
  const directory = directoryForSync(clusterDirectory);
  const stale = (await namesIn(directory)).filter(
    (name) => (name === none || isBackupName(name)) && name !== (subject.backup ?? none),
  );
  if (stale.length === 0) return;
  await within(directory, async (at) => {
    for (const name of stale) await removeTree(join(at, name));
  });
}

async function requireReserve(clusterDirectory: string, bytes: number, walReserve: number): Promise<void> {
  const free = await freeBytes(clusterDirectory);
  if (free === undefined || free - bytes >= walReserve) return;
  const megabytes = (number: number) => `${Math.floor(number / 2 ** 20)} MB`;
  throw new HoldfastError(
    'failed',
    `the repository has ${megabytes(free)} free: what is sent is copied there, since its file system has no hard links, and ${megabytes(walReserve)} are kept for WAL`,
    {
      code: 'repository_full',
      hint: 'make room in the repository ("holdfast expire --dry-run" shows what could go), or keep less for WAL ([worker] wal_reserve)',
    },
  );
}

function unlessThere(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/**
 * Stages one file. The file gets its name once the file is complete; `unready` is never sent. Returns false
 * if the source has just expired.
 */
async function place(
  from: string,
  { to, unready, mayTake }: { to: string; unready: string; mayTake: (bytes: number) => Promise<void> },
): Promise<boolean> {
  await makeBelow(dirname(dirname(unready)), dirname(to));
  return beside(unready, async (aside) => {
    try {
      await beside(from, (source) => linkOrCopy(source, aside, mayTake));
      await beside(to, (file) => rename(aside, file));
      // rename() leaves both names where they are links of one file, as after an overwrite in place.
      await remove(aside);
      return true;
    } catch (error) {
      await remove(aside);
      unlessThere(error as NodeJS.ErrnoException);
      return false;
    }
  });
}

function remove(path: string): Promise<void> {
  return rm(path, { force: true });
}
