/**
 * A backup that is being written to <UTC start>-<id>.partial, which is not listed. The rename to the final name comes
 * last, when the .meta directory is complete. A worker removes the unfinished backups of killed workers, but never
 * one that another process is writing: <UTC start>-<id>.owner identifies the writer. The owner file is created before
 * everything else and removed after everything else.
 */
import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { removeTree } from '../system/remove-tree.ts';
import { fsyncDirectory, writeSynced } from '../system/durable-files.ts';
import {
  beside,
  holdDirectory,
  makeNewDirectory,
  within,
  type HeldDirectory,
} from '../system/held-directory.ts';
import { makeBelow } from '../system/make-below.ts';
import type { BackupStop } from '../postgres/backup-facts.ts';
import { backupIdIn, entryName } from './backup-name.ts';
import { namesOfBackups } from './catalog.ts';
import type { BackupRecord } from './label-entry.ts';
import { messageOf } from '../errors.ts';
import { nameLatest } from './latest.ts';
import { claimAsOwner, ownerIsGone } from './writer-file.ts';
import {
  backupsDirectory,
  formatRepositoryBackup,
  metaDirectory,
  namesIn,
  type RepositoryBackup,
} from './repository-backup.ts';
import { repositoryError } from './repository-errors.ts';
import { requireRepository } from './repository-owner.ts';

const fileMode = 0o600;

/** Creates, publishes or discards one unfinished backup. */
export class UnfinishedBackup {
  readonly #clusterDirectory: string;
  readonly #name: string;

  #release: () => Promise<void> = async () => undefined;
  #held: HeldDirectory | undefined;
  #isClaimed = false;

  private constructor(clusterDirectory: string, name: string) {
    this.#clusterDirectory = clusterDirectory;
    this.#name = name;
  }

  /** @throws HoldfastError where the repository cannot be written; `no_repository` where it is not mounted any more */
  static async create(
    clusterDirectory: string,
    backup: Pick<BackupRecord, 'id' | 'startedAt'>,
  ): Promise<UnfinishedBackup> {
    const unfinished = new UnfinishedBackup(clusterDirectory, entryName(backup));
    const directory = unfinished.shown;
    try {
      const parent = backupsDirectory(clusterDirectory);
      await makeBelow(clusterDirectory, parent);
      unfinished.#release = await claimAsOwner(ownerFile(unfinished.#place));
      unfinished.#isClaimed = true;
      await beside(directory, async (at) => {
        await makeNewDirectory(at);
        unfinished.#held = await holdDirectory(at);
      });
      // The cluster's directory itself may be a mount point, below which the copy would lie.
      requireRepository(clusterDirectory);
      return unfinished;
    } catch (error) {
      await unfinished.#giveUp().catch(() => undefined);
      throw repositoryError(error, directory);
    }
  }

  /**
   * The directory for the backup's files, until the backup is published or discarded. The path leads through a held
   * descriptor.
   */
  get directory(): string {
    return this.#held?.at ?? this.shown;
  }

  /** The path of the directory for messages. */
  get shown(): string {
    return `${this.#place}.partial`;
  }

  get #place(): string {
    return join(backupsDirectory(this.#clusterDirectory), this.#name);
  }

  /**
   * Makes the backup a listed one and returns the backup's directory. `frames.jsonl` has to be in `directory`, and
   * all files have to be synced. Once the backup is listed, further failures are warnings.
   */
  async publish(
    backup: RepositoryBackup,
    { label, tablespaceMap }: Pick<BackupStop, 'label' | 'tablespaceMap'>,
    onWarning: (text: string) => void = () => undefined,
  ): Promise<string> {
    try {
      await beside(this.#place, (place) => this.#put(place, backup, { label, tablespaceMap }));
    } catch (error) {
      throw repositoryError(error, this.#place);
    }
    await nameLatest(this.#clusterDirectory, this.#name).catch((error: unknown) =>
      onWarning(`"latest" in the repository does not name the backup: ${messageOf(error)}`),
    );
    // the owner file of a listed backup is never read
    await beside(ownerFile(this.#place), (file) => rm(file, { force: true })).catch(() => undefined);
    await this.#end();
    return this.#place;
  }

  async #put(
    place: string,
    backup: RepositoryBackup,
    { label, tablespaceMap }: Pick<BackupStop, 'label' | 'tablespaceMap'>,
  ): Promise<void> {
    const meta = metaDirectory(place);
    await makeNewDirectory(`${meta}.partial`);
    await within(`${meta}.partial`, async (at) => {
      const lists = ['frames.jsonl', ...(backup.incremental === undefined ? [] : ['lengths.jsonl'])];
      for (const name of lists) await rename(join(this.directory, name), join(at, name));
      const write = (name: string, bytes: Buffer) => writeSynced(join(at, name), bytes, fileMode);
      await write('backup_label', label);
      if (tablespaceMap !== null) await write('tablespace_map', tablespaceMap);
      await write('backup.json', formatRepositoryBackup(backup));
      await fsyncDirectory(at);
    });
    await fsyncDirectory(this.directory);
    await rename(`${meta}.partial`, meta);
    await rename(`${place}.partial`, place);
    await fsyncDirectory(dirname(place)).catch(async (error: unknown) => {
      await rename(place, `${place}.partial`); // the new name may not be durable, so the backup must not be listed
      throw error;
    });
  }

  async #end(): Promise<void> {
    await this.#held?.release().catch(() => undefined);
    this.#held = undefined;
    await this.#release();
  }

  /** The files of another writer stay. */
  #giveUp(): Promise<void> {
    return this.#isClaimed ? this.discard() : this.#end();
  }

  /** Removes all files of the backup. A published backup stays. */
  async discard(): Promise<void> {
    try {
      await removeParts(backupsDirectory(this.#clusterDirectory), this.#name);
    } finally {
      await this.#end();
    }
  }
}

function ownerFile(place: string): string {
  return `${place}.owner`;
}

/** An unfinished backup, possibly left by a killed worker. */
export interface Leftover {
  /** The id of the request. */
  id: number;
  name: string;
  /** Whether the writer is known to be dead (see owner-file.ts). */
  writerIsGone: boolean;
}

/** Finds the unfinished backups of a cluster. */
export async function findLeftovers(clusterDirectory: string): Promise<Leftover[]> {
  const directory = backupsDirectory(clusterDirectory);
  const found: Leftover[] = [];
  for (const [name, suffixes] of await namesOfBackups(clusterDirectory)) {
    const id = backupIdIn(name);
    if (id === undefined || !isLeftover(suffixes)) continue;
    const place = join(directory, name);
    found.push({ id, name, writerIsGone: await ownerIsGone(ownerFile(place), `${place}.partial`) });
  }
  return found;
}

/**
 * A .meta directory alone is not a leftover, because a writer leaves the owner file beside it: somebody has moved the
 * backup away.
 */
function isLeftover(suffixes: ReadonlySet<string>): boolean {
  return ['.partial', '.owner', '.meta.partial'].some((suffix) => suffixes.has(suffix));
}

/** Removes the files of an unfinished backup. */
export async function removeLeftover(clusterDirectory: string, { name }: Leftover): Promise<void> {
  await removeParts(backupsDirectory(clusterDirectory), name);
}

async function removeParts(directory: string, name: string): Promise<void> {
  const isListed = (await namesIn(directory)).includes(name);
  // Only a backup that has been listed has holds.
  const isHeld = (await namesIn(metaDirectory(join(directory, name)))).includes('holds');
  await within(directory, async (at) => {
    const place = join(at, name);
    await removeTree(`${place}.partial`);
    await removeTree(`${metaDirectory(place)}.partial`);
    if (!isListed && !isHeld) await removeTree(metaDirectory(place));
    await rm(ownerFile(place), { force: true });
  });
}
