/**
 * A backup that is being written: <UTC start>-<id>.partial, which nobody lists. It becomes a backup by its rename,
 * which comes last, when all that is known about it is in place beside it. What a killed worker left behind is
 * removed by the next one, never what another one is writing: <UTC start>-<id>.owner says who that is, from before
 * anything else is there until after all else is done.
 */
import { mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeDurableDirectory } from './cluster-identity.ts';
import { syncDirectory, writeSynced } from './durable-files.ts';
import { entryName } from './label-entry.ts';
import { isAlive, processStart } from '../identity/process.ts';
import {
  backupsDirectory,
  formatRepositoryBackup,
  metaDirectory,
  namesIn,
  type RepositoryBackup,
} from './repository-backup.ts';
import { repositoryError } from './repository-errors.ts';

const directoryMode = 0o700;
const fileMode = 0o600;

export class UnfinishedBackup {
  readonly #clusterDirectory: string;
  readonly #name: string;

  private constructor(clusterDirectory: string, name: string) {
    this.#clusterDirectory = clusterDirectory;
    this.#name = name;
  }

  /** @throws HoldfastError where the repository cannot be written */
  static async create(
    clusterDirectory: string,
    backup: { id: number; startedAt: string },
  ): Promise<UnfinishedBackup> {
    const unfinished = new UnfinishedBackup(clusterDirectory, entryName(backup));
    const { directory } = unfinished;
    try {
      await makeDurableDirectory(backupsDirectory(clusterDirectory));
      const owner = { host: hostname(), pid: process.pid, startedAt: processStart(process.pid) };
      await writeSynced(ownerFile(unfinished.#place), Buffer.from(JSON.stringify(owner)), fileMode);
      await mkdir(directory, { mode: directoryMode });
      return unfinished;
    } catch (error) {
      throw repositoryError(error, directory);
    }
  }

  /** Where its files go. */
  get directory(): string {
    return `${this.#place}.partial`;
  }

  get #place(): string {
    return join(backupsDirectory(this.#clusterDirectory), this.#name);
  }

  /**
   * Makes it a backup that is listed; `frames.jsonl` is in its directory, and what is there has been synced. Returns
   * the backup's directory.
   */
  async publish(
    backup: RepositoryBackup,
    { label, tablespaceMap }: { label: Buffer; tablespaceMap: Buffer | null },
  ): Promise<string> {
    const unfinishedMeta = `${metaDirectory(this.#place)}.partial`;
    try {
      await mkdir(unfinishedMeta, { mode: directoryMode });
      await rename(join(this.directory, 'frames.jsonl'), join(unfinishedMeta, 'frames.jsonl'));
      const write = (name: string, bytes: Buffer) => writeSynced(join(unfinishedMeta, name), bytes, fileMode);
      await write('backup_label', label);
      if (tablespaceMap !== null) await write('tablespace_map', tablespaceMap);
      await write('backup.json', formatRepositoryBackup(backup));
      await syncDirectory(unfinishedMeta);
      await syncDirectory(this.directory);
      await rename(unfinishedMeta, metaDirectory(this.#place));
      await rename(this.directory, this.#place);
      await syncDirectory(backupsDirectory(this.#clusterDirectory));
      await this.#nameLatest();
      await rm(ownerFile(this.#place));
      return this.#place;
    } catch (error) {
      throw repositoryError(error, this.#place);
    }
  }

  /** Removes all of it. A backup that has been published stays. */
  async discard(): Promise<void> {
    await removeParts(backupsDirectory(this.#clusterDirectory), this.#name);
  }

  async #nameLatest(): Promise<void> {
    const temporary = join(this.#clusterDirectory, `.latest-${randomUUID()}`);
    await symlink(join('backups', this.#name), temporary);
    await rename(temporary, join(this.#clusterDirectory, 'latest'));
    await syncDirectory(this.#clusterDirectory);
  }
}

function ownerFile(place: string): string {
  return `${place}.owner`;
}

interface Owner {
  host: string;
  pid: number;
  startedAt: string;
}

/** What a worker that is gone may have left behind. */
export interface Leftover {
  /** The request. */
  id: number;
  name: string;
  /** Whether its writer is known to be gone: it ran on this host, and runs no more. */
  writerIsGone: boolean;
}

export async function findLeftovers(clusterDirectory: string): Promise<Leftover[]> {
  const directory = backupsDirectory(clusterDirectory);
  const names = new Set(await namesIn(directory));
  const left = new Map<string, number>();
  for (const name of names) {
    const [, backup = '', id, suffix = ''] =
      /^(\d{8}T\d{6}Z-(\d+))(\.partial|\.owner|\.meta|\.meta\.partial)$/.exec(name) ?? [];
    if (id !== undefined && !(suffix === '.meta' && names.has(backup))) left.set(backup, Number(id));
  }
  const found: Leftover[] = [];
  for (const [name, id] of left)
    found.push({ id, name, writerIsGone: await isAbandoned(ownerFile(join(directory, name))) });
  return found;
}

/** Removes what a request left unfinished. */
export async function removeLeftover(clusterDirectory: string, { name }: Leftover): Promise<void> {
  await removeParts(backupsDirectory(clusterDirectory), name);
}

async function removeParts(directory: string, name: string): Promise<void> {
  const place = join(directory, name);
  const isListed = (await namesIn(directory)).includes(name);
  await rm(`${place}.partial`, { recursive: true, force: true });
  await rm(`${metaDirectory(place)}.partial`, { recursive: true, force: true });
  if (!isListed) await rm(metaDirectory(place), { recursive: true, force: true });
  await rm(ownerFile(place), { force: true });
}

/** Without a name of its owner's, only a crash of the whole host can have left it so. */
async function isAbandoned(file: string): Promise<boolean> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return true;
  try {
    const { host, pid, startedAt } = JSON.parse(text) as Owner;
    if (host !== hostname()) return false;
    return !isAlive(pid) || startedAt !== processStart(pid);
  } catch {
    return true; // nor is one whose end is missing
  }
}
