/**
 * A backup that is being written: <UTC start>-<id>.partial, which nobody lists. It becomes a backup by its rename,
 * which comes last, when all that is known about it is in place beside it. What a killed worker left behind is
 * removed by the next one, never what another one is writing: <UTC start>-<id>.owner says who that is, from before
 * anything else is there until after all else is done.
 */
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDurableDirectory } from './cluster-identity.ts';
import { syncDirectory, writeSynced } from './durable-files.ts';
import { entryName } from './label-entry.ts';
import { giveAllToOwnerOf, giveToOwnerOf } from './ownership.ts';
import { messageOf } from '../errors.ts';
import { nameLatest } from './latest.ts';
import { claimAsOwner, ownerIsGone } from './owner-file.ts';
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

  #letGo: () => Promise<void> = async () => undefined;

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
      const parent = backupsDirectory(clusterDirectory);
      await makeDurableDirectory(parent);
      await giveToOwnerOf(clusterDirectory, parent); // root's, of an earlier release
      unfinished.#letGo = await claimAsOwner(ownerFile(unfinished.#place));
      await mkdir(directory, { mode: directoryMode });
      await giveToOwnerOf(clusterDirectory, directory);
      return unfinished;
    } catch (error) {
      await unfinished.#letGo();
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
   * the backup's directory. Once it is listed, what else goes wrong is a warning.
   */
  async publish(
    backup: RepositoryBackup,
    { label, tablespaceMap }: { label: Buffer; tablespaceMap: Buffer | null },
    onWarning: (text: string) => void = () => undefined,
  ): Promise<string> {
    const unfinishedMeta = `${metaDirectory(this.#place)}.partial`;
    try {
      await mkdir(unfinishedMeta, { mode: directoryMode });
      await rename(join(this.directory, 'frames.jsonl'), join(unfinishedMeta, 'frames.jsonl'));
      const write = (name: string, bytes: Buffer) => writeSynced(join(unfinishedMeta, name), bytes, fileMode);
      await write('backup_label', label);
      if (tablespaceMap !== null) await write('tablespace_map', tablespaceMap);
      await write('backup.json', formatRepositoryBackup(backup));
      for (const part of [unfinishedMeta, this.directory])
        await giveAllToOwnerOf(this.#clusterDirectory, part);
      await syncDirectory(unfinishedMeta);
      await syncDirectory(this.directory);
      await rename(unfinishedMeta, metaDirectory(this.#place));
      await rename(this.directory, this.#place);
      await syncDirectory(backupsDirectory(this.#clusterDirectory)).catch(async (error: unknown) => {
        await rename(this.#place, this.directory); // it may not last, so it is not listed
        throw error;
      });
    } catch (error) {
      throw repositoryError(error, this.#place);
    }
    await nameLatest(this.#clusterDirectory, this.#name).catch((error: unknown) =>
      onWarning(`"latest" in the repository does not name the backup: ${messageOf(error)}`),
    );
    await rm(ownerFile(this.#place), { force: true }).catch(() => undefined); // nobody asks about a listed one
    await this.#letGo();
    return this.#place;
  }

  /** Removes all of it. A backup that has been published stays. */
  async discard(): Promise<void> {
    try {
      await removeParts(backupsDirectory(this.#clusterDirectory), this.#name);
    } finally {
      await this.#letGo();
    }
  }
}

function ownerFile(place: string): string {
  return `${place}.owner`;
}

/** What a worker that is gone may have left behind. */
export interface Leftover {
  /** The request. */
  id: number;
  name: string;
  /** Whether its writer is known to be gone (owner-file.ts). */
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
  for (const [name, id] of left) {
    const place = join(directory, name);
    found.push({ id, name, writerIsGone: await ownerIsGone(ownerFile(place), `${place}.partial`) });
  }
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
