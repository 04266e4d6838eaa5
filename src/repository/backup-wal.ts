/**
 * The WAL beside a backup: every segment from the backup's start to its stop, so that the backup's directory alone
 * can be restored. A segment in the repository's archive is linked. Any other segment is taken from the server's
 * pg_wal before the server removes it. The backup is therefore complete whether the server archives WAL to this
 * repository, elsewhere or nowhere.
 */
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { SourceError, writeCompressed } from './compressed-file.ts';
import { linkOrCopy } from '../system/link-or-copy.ts';
import { fsyncDirectory } from '../system/durable-files.ts';
import { beside, noFollow } from '../system/held-directory.ts';
import { makeBelow } from '../system/make-below.ts';
import { giveFileToOwnerOf } from '../system/ownership.ts';
import { archivedPath } from './wal-archive.ts';
import { openRegularFile } from '../system/regular-file.ts';

/** Where the segments of a backup come from. */
export interface WalSource {
  clusterDirectory: string;
  /** pg_wal of the server. */
  walDirectory: string;
  /** Bytes. */
  segmentSize: number;
  /** The zstd compression level. */
  level: number;
  /**
   * Whether `beginning` (the first bytes of a file) belongs to `segment` of this very system. A recycled file begins
   * with the header of an older segment.
   */
  belongs: (segment: string, beginning: Buffer) => boolean;
}

/** Bytes passed to `belongs`. */
const beginning = 64;

/** Collects the segments of one backup. `link()` and `take()` add a segment, `publish()` makes the set durable. */
export class BackupWal {
  readonly #source: WalSource;
  readonly #backup: string;
  readonly #there = new Set<string>();

  /** `backup`: the backup's directory, in which `publish()` creates pg_wal/. */
  constructor(source: WalSource, backup: string) {
    this.#source = source;
    this.#backup = backup;
  }

  /** Whether `segment` has been added. */
  has(segment: string): boolean {
    return this.#there.has(segment);
  }

  /** Adds the archive's copy of `segment` as a link. Returns false where the archive has no such segment. */
  async link(segment: string): Promise<boolean> {
    const from = archivedPath(this.#source.clusterDirectory, segment);
    const to = await this.#path(segment);
    try {
      await beside(from, (archived) => beside(to, (file) => linkOrCopy(archived, file)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
    this.#there.add(segment);
    return true;
  }

  /**
   * Whether pg_wal has `segment` and the server may recycle the file at any time. A server may recycle a segment that
   * has no .ready file: the archiver is done with the segment, or archiving is off.
   */
  async isAtRisk(segment: string): Promise<boolean> {
    const { walDirectory } = this.#source;
    if (await exists(join(walDirectory, 'archive_status', `${segment}.ready`))) return false;
    return exists(join(walDirectory, segment));
  }

  /** Whether the server has begun to write `segment`. If so, every earlier segment is finished. */
  async hasBegun(segment: string): Promise<boolean> {
    const file = await openIfThere(join(this.#source.walDirectory, segment));
    if (file === undefined) return false;
    try {
      return await this.#isIt(segment, file);
    } finally {
      await file.close();
    }
  }

  /**
   * Adds a finished segment from pg_wal. Returns false where pg_wal does not have the segment, or no longer.
   * @throws SourceError where pg_wal cannot be read
   */
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
        await writeCompressed(file, segmentSize, target, level).catch((error: unknown) => {
          throw error instanceof SourceError ? new SourceError(error.cause, from) : error;
        });
        await target.sync();
      } finally {
        await target.close();
      }
      // A server recycles a segment by renaming the file and then overwriting the content.
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

  /** Makes the segments durable and renames their directory to pg_wal. Called when all segments have been added. */
  async publish(): Promise<void> {
    await makeBelow(this.#backup, this.#unfinished);
    await fsyncDirectory(this.#unfinished);
    await rename(this.#unfinished, join(this.#backup, 'pg_wal'));
    await fsyncDirectory(this.#backup);
  }

  get #unfinished(): string {
    return join(this.#backup, 'pg_wal.partial');
  }

  async #path(segment: string): Promise<string> {
    await makeBelow(this.#backup, this.#unfinished);
    return join(this.#unfinished, `${segment}.zst`);
  }

  async #isIt(segment: string, file: FileHandle): Promise<boolean> {
    const bytes = Buffer.alloc(beginning);
    const { bytesRead } = await file.read(bytes, 0, beginning, 0).catch((error: unknown) => {
      throw new SourceError(error, join(this.#source.walDirectory, segment));
    });
    return this.#source.belongs(segment, bytes.subarray(0, bytesRead));
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  return openRegularFile(path, noFollow).catch((error: NodeJS.ErrnoException) => {
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
