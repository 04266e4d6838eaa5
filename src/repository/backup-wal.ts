/**
 * The WAL beside a backup: every segment from its start to its stop, so that its directory alone restores. A segment
 * that is in the repository's archive is linked; one that is not is taken from the server's pg_wal while it is still
 * there, which works whether WAL is archived here, elsewhere or nowhere.
 */
import { constants } from 'node:fs';
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeCompressed } from './compressed-file.ts';
import { linkOrCopy } from '../system/link-or-copy.ts';
import { fsyncDirectory } from '../system/durable-files.ts';
import { beside, makeDurableDirectory, noFollow } from '../system/held-directory.ts';
import { giveFileToOwnerOf, giveToOwnerOf } from '../system/ownership.ts';
import { archivedPath } from './wal-archive.ts';

export interface WalSource {
  clusterDirectory: string;
  /** The server's. */
  walDirectory: string;
  /** Bytes. */
  segmentSize: number;
  level: number;
  /** Whether this is the beginning of that segment, of this very system, and not what a recycled file holds. */
  belongs: (segment: string, beginning: Buffer) => boolean;
}

/** Bytes that `belongs` is shown. */
const beginning = 64;

export class BackupWal {
  readonly #source: WalSource;
  readonly #backup: string;
  readonly #there = new Set<string>();

  /** `backup`: the backup's directory, where pg_wal/ appears when all of it is there. */
  constructor(source: WalSource, backup: string) {
    this.#source = source;
    this.#backup = backup;
  }

  has(segment: string): boolean {
    return this.#there.has(segment);
  }

  /** Links it to the archive's; false: the archive has none. */
  async link(segment: string): Promise<boolean> {
    const from = archivedPath(this.#source.clusterDirectory, segment);
    const to = await this.#path(segment);
    try {
      await beside(from, (archived) =>
        beside(to, async (file) => {
          await linkOrCopy(archived, file);
          await giveToOwnerOf(dirname(file), file);
        }),
      );
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
    this.#there.add(segment);
    return true;
  }

  /** Whether the server still has it and may overwrite it from now on: its archiver is through with it, or has none. */
  async isAtRisk(segment: string): Promise<boolean> {
    const { walDirectory } = this.#source;
    if (await exists(join(walDirectory, 'archive_status', `${segment}.ready`))) return false;
    return exists(join(walDirectory, segment));
  }

  /** Whether the server has begun it: what is before it is finished then. */
  async hasBegun(segment: string): Promise<boolean> {
    const file = await openIfThere(join(this.#source.walDirectory, segment));
    if (file === undefined) return false;
    try {
      return await this.#isIt(segment, file);
    } finally {
      await file.close();
    }
  }

  /** Takes a segment that is finished from pg_wal; false: it is not there (any more). */
  async take(segment: string): Promise<boolean> {
    const { walDirectory, segmentSize, level } = this.#source;
    const from = join(walDirectory, segment);
    const file = await openIfThere(from);
    if (file === undefined) return false;
    const to = await this.#path(segment);
    try {
      if (!(await this.#isIt(segment, file))) return false;
      const target = await beside(to, (path) => open(path, 'wx', 0o600));
      try {
        await giveFileToOwnerOf(this.#backup, target);
        await writeCompressed(file, segmentSize, target, level);
        await target.sync();
      } finally {
        await target.close();
      }
      // A server recycles a segment by giving it another name and then writing over it.
      const [read, named] = await Promise.all([file.stat(), stat(from).catch(() => undefined)]);
      if (named?.ino !== read.ino || named.dev !== read.dev) {
        await beside(to, rm);
        return false;
      }
    } finally {
      await file.close();
    }
    this.#there.add(segment);
    return true;
  }

  /** When all are there: makes them last. */
  async publish(): Promise<void> {
    await makeDurableDirectory(this.#unfinished);
    await fsyncDirectory(this.#unfinished);
    await rename(this.#unfinished, join(this.#backup, 'pg_wal'));
    await fsyncDirectory(this.#backup);
  }

  get #unfinished(): string {
    return join(this.#backup, 'pg_wal.partial');
  }

  async #path(segment: string): Promise<string> {
    await makeDurableDirectory(this.#unfinished);
    return join(this.#unfinished, `${segment}.zst`);
  }

  async #isIt(segment: string, file: FileHandle): Promise<boolean> {
    const bytes = Buffer.alloc(beginning);
    const { bytesRead } = await file.read(bytes, 0, beginning, 0);
    return this.#source.belongs(segment, bytes.subarray(0, bytesRead));
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  return open(path, constants.O_RDONLY | noFollow).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
