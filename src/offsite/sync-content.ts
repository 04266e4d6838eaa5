/**
 * What is to be sent off-site: the newest backup of a cluster and the WAL since its start, which is all that it takes
 * to restore it to now. It is laid out in a directory of its own, as a repository is, with hard links: what has been
 * laid out there stays as it is, whatever expires meanwhile, until another backup takes its place.
 *
 *   <cluster>/sync/<backup>/   backups/<backup>/ backups/<backup>.meta/ wal/ cluster.json
 *
 * A cluster without a backup here, since its copies go elsewhere, has its whole archive laid out.
 */
import { lstat, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { removeTree } from '../system/remove-tree.ts';
import { linkOrCopy } from '../system/link-or-copy.ts';
import { beside, makeDurableDirectory, within } from '../system/held-directory.ts';
import {
  backupsDirectory,
  metaDirectory,
  namesIn,
  parseRepositoryBackup,
} from '../repository/repository-backup.ts';
import { walDirectory, walFileKind } from '../repository/wal-archive.ts';

/** Which backup, and which WAL goes with it. */
export interface SyncScope {
  /** The backup's name; null: there is none. */
  backup: string | null;
  /** The first segment; null: all there is. */
  from: string | null;
}

/** In place of a backup's name. */
const none = 'none';

export function directoryForSync(clusterDirectory: string): string {
  return join(clusterDirectory, 'sync');
}

/** Where a subject is laid out: the program's working directory. */
export function contentDirectory(clusterDirectory: string, { backup }: Pick<SyncScope, 'backup'>): string {
  return join(directoryForSync(clusterDirectory), backup ?? none);
}

/** As the program is told: when the backup began. */
export function timestampOf({ backup }: Pick<SyncScope, 'backup'>): string {
  return backup === null ? none : backup.slice(0, backup.indexOf('-'));
}

/** The newest backup in the repository. */
export async function newestScope(clusterDirectory: string): Promise<SyncScope> {
  const directory = backupsDirectory(clusterDirectory);
  const names = new Set(await namesIn(directory));
  const listed = [...names].filter(
    (name) => /^\d{8}T\d{6}Z-\d+$/.test(name) && names.has(metaDirectory(name)),
  );
  for (const name of listed.sort().toReversed()) {
    const from = await startOf(join(directory, name));
    if (from !== undefined) return { backup: name, from };
  }
  return { backup: null, from: null };
}

/** One that has been laid out, which may be gone from the repository by now. */
export async function stagedScope(
  clusterDirectory: string,
  backup: string | null,
): Promise<SyncScope | undefined> {
  if (backup === null) return { backup, from: null };
  const directory = contentDirectory(clusterDirectory, { backup });
  const from = await startOf(join(directory, 'backups', backup));
  return from === undefined ? undefined : { backup, from };
}

/** undefined: it cannot be read, so that no restore could either. */
async function startOf(backupDirectory: string): Promise<string | undefined> {
  const file = join(metaDirectory(backupDirectory), 'backup.json');
  try {
    return parseRepositoryBackup(file, await readFile(file)).startWal;
  } catch {
    return undefined;
  }
}

/** The archived files that go with it, relative to the cluster's directory. */
export async function walOf(clusterDirectory: string, subject: SyncScope): Promise<string[]> {
  const wal = walDirectory(clusterDirectory);
  const names = await namesIn(wal);
  const found = names.filter((name) => walFileKind(name) === 'timeline history').map((name) => `wal/${name}`);
  for (const log of names.filter((name) => /^[0-9A-F]{16}$/.test(name) && hasAny(name, subject))) {
    const files = await namesIn(join(wal, log));
    const fitting = files.filter((name) => isArchived(name) && belongs(name, subject));
    found.push(...fitting.map((name) => `wal/${log}/${name}`));
  }
  return found;
}

function isArchived(name: string): boolean {
  return walFileKind(name.replace(/\.zst$/, '')) !== undefined;
}

/** What a later timeline has is newer, wherever it branched off. */
function belongs(name: string, { from }: SyncScope): boolean {
  if (from === null) return true;
  const [timeline, start] = [name.slice(0, 8), from.slice(0, 8)];
  return timeline > start || (timeline === start && name.slice(8, 24) >= from.slice(8, 24));
}

function hasAny(log: string, { from }: SyncScope): boolean {
  return from === null || log.slice(0, 8) > from.slice(0, 8) || log >= from.slice(0, 16);
}

/** All that is to be sent, relative to the cluster's directory. */
export async function filesToSync(clusterDirectory: string, subject: SyncScope): Promise<string[]> {
  const wal = await walOf(clusterDirectory, subject);
  const { backup } = subject;
  const names = [`backups/${backup}`, `backups/${backup}.meta`];
  const own =
    backup === null ? [] : await Promise.all(names.map((name) => filesBelow(clusterDirectory, name)));
  const identity = (await namesIn(clusterDirectory)).filter((name) => name === 'cluster.json');
  return [...identity, ...own.flat(), ...wal];
}

/** Those that are laid out already. */
export function stagedFiles(clusterDirectory: string, subject: Pick<SyncScope, 'backup'>): Promise<string[]> {
  return filesBelow(contentDirectory(clusterDirectory, subject), '');
}

/** Tells one list of files from another. */
export function fingerprint(files: Iterable<string>): string {
  return createHash('sha256')
    .update([...files].sort().join('\n'))
    .digest('hex');
}

/** Adds what is missing or was cut short, and returns all that is there then. */
export function stageFiles(clusterDirectory: string, subject: SyncScope): Promise<string[]> {
  return within(clusterDirectory, (at) => layOutIn(at, subject));
}

async function layOutIn(clusterDirectory: string, subject: SyncScope): Promise<string[]> {
  const directory = contentDirectory(clusterDirectory, subject);
  const unready = join(directoryForSync(clusterDirectory), 'unready');
  await beside(unready, remove);
  const there = new Set(await stagedFiles(clusterDirectory, subject));
  const files = await filesToSync(clusterDirectory, subject);
  for (const file of files) {
    const [from, to] = [join(clusterDirectory, file), join(directory, file)];
    if (there.has(file) && !(await isShort(to, from))) continue;
    if (await place(from, to, unready)) there.add(file);
  }
  if (subject.backup !== null) return [...there];
  // Nothing holds on to an archive without a backup: what has expired from it is let go.
  const gone = [...there].filter((file) => !files.includes(file));
  for (const file of gone) await beside(join(directory, file), remove);
  return files.filter((file) => there.has(file));
}

/** Removes what is laid out of other backups. */
export async function clearOthers(clusterDirectory: string, subject: SyncScope): Promise<void> {
  const directory = directoryForSync(clusterDirectory);
  const stale = (await namesIn(directory)).filter(
    (name) => (name === none || /^\d{8}T\d{6}Z-\d+$/.test(name)) && name !== (subject.backup ?? none),
  );
  if (stale.length === 0) return;
  await within(directory, async (at) => {
    for (const name of stale) await removeTree(join(at, name));
  });
}

/** Less of a file than there is of its source, where that has not expired. */
async function isShort(path: string, source: string): Promise<boolean> {
  const [laid, whole] = await Promise.all([lstat(path), stat(source).catch(unlessThere)]);
  return whole !== undefined && laid.size < whole.size;
}

function unlessThere(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/** It has its name only once it is whole, as `unready` is never sent. false: it has just expired. */
async function place(from: string, to: string, unready: string): Promise<boolean> {
  await makeDurableDirectory(dirname(to));
  return beside(unready, async (aside) => {
    try {
      await beside(from, (source) => linkOrCopy(source, aside));
      await beside(to, (file) => rename(aside, file));
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

async function filesBelow(root: string, directory: string): Promise<string[]> {
  const entries = await readdir(join(root, directory), { withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    },
  );
  const found: string[] = [];
  for (const entry of entries) {
    const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
    if (entry.isDirectory()) found.push(...(await filesBelow(root, path)));
    else found.push(path);
  }
  return found;
}
