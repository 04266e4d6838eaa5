/**
 * One copy, as its coordinator thread runs it: walks the data directory and the tablespaces, sends tasks to the frame
 * threads, and records their results.
 */
import { rmSync, statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { holdsRelations, relationFile, versionDirectory } from '../../postgres/excluded-files.ts';
import type { ControlFile } from '../../postgres/pg-control.ts';
import { parseTablespaceMap } from '../../postgres/tablespace-map.ts';
import type { StoredTar } from '../../repository/repository-backup.ts';
import { endOfArchive, type TarMember } from '../../repository/tar.ts';
import { CopyResults } from './copy-results.ts';
import { toBytePath, toSystem, toText } from '../../system/byte-path.ts';
import { CopyError, copyFailureOf } from './copy-error.ts';
import type { FramePool } from './frame-pool.ts';
import { FrameWriter } from './frame-writer.ts';
import type {
  CopyFailure,
  CopyOptions,
  FinishOptions,
  FrameResult,
  FromCoordinator,
} from './copy-messages.ts';
import { ownerNames } from '../../system/users.ts';
import { partialFile, type SinceParent } from './partial-file.ts';
import { RateLimiter } from './rate-limiter.ts';
import { readControlFile } from './read-control-file.ts';
import { TarOutput } from './tar-output.ts';
import { findTrees, walk, type WalkEntry, type DataLayout, type TarSource } from './walk.ts';

/** Milliseconds between two progress messages. */
const progressEvery = 250;
/** Warnings of one kind that are sent. Further warnings of that kind are only counted, or left out. */
const mostWarnings = 20;

/** What a copy is made with. */
export interface CopyMeans {
  /** The frame threads, which have started meanwhile. */
  pool: FramePool;
  /** The pg_control of the data directory. */
  control: ControlFile;
  /** Of the parent of an incremental copy, see SinceParent. */
  lengths: SinceParent['lengths'] | undefined;
}

/** One copy, from the first file to the finished summary. */
export class CoordinatedCopy {
  readonly #options: CopyOptions;
  readonly #lengths: SinceParent['lengths'] | undefined;
  readonly #tell: (message: FromCoordinator) => void;
  readonly #control: ControlFile;
  readonly #layout: DataLayout;
  readonly #account: CopyResults;
  readonly #pool: FramePool;
  readonly #writer: FrameWriter;
  readonly #nameOwner = ownerNames();
  readonly #nameless = new Set<number>();
  readonly #tars: Promise<StoredTar>[] = [];
  #base: TarOutput | undefined;
  #reporting: NodeJS.Timeout | undefined;

  /** `tell`: sends a message to the worker. */
  constructor(
    options: CopyOptions,
    { pool, control, lengths }: CopyMeans,
    tell: (message: FromCoordinator) => void,
  ) {
    const { dataDirectory, output, major, rateLimit } = options;
    this.#options = options;
    this.#lengths = lengths;
    this.#tell = tell;
    this.#control = control;
    this.#layout = findTrees(
      toBytePath(dataDirectory),
      versionDirectory(major, this.#control.catalogVersion),
      major,
    );
    this.#account = new CopyResults(output, options);
    this.#pool = pool;
    this.#writer = new FrameWriter(this.#pool, this.#account, new RateLimiter(rateLimit));
  }

  /** Copies everything but backup_label and tablespace_map, and reports progress. */
  async copy(): Promise<void> {
    const { expectedBytes: expected } = this.#options;
    const report = () => this.#tell({ type: 'progress', expected, done: this.#account.bytesRead });
    report();
    this.#reporting = setInterval(report, progressEvery);
    for (const tree of this.#layout.trees) await this.#copyTree(tree);
    await this.#copyControlFile();
    await this.#pool.drain();
    this.#base?.syncSoon();
    this.endProgress();
    this.#sayDamage();
    report();
    this.#tell({ type: 'copied' });
  }

  /** Takes the result of a frame. Results come in the order of the frames. */
  enter(result: FrameResult): void {
    this.#account.enter(result);
  }

  /** Reports no progress from now on. */
  endProgress(): void {
    clearInterval(this.#reporting);
  }

  /** Adds backup_label and tablespace_map, ends all tars, and sends the summary. */
  async finish({ label, tablespaceMap, timeline, stopLsn }: FinishOptions): Promise<void> {
    const { startLsn } = this.#options;
    await this.#addFile('backup_label', label);
    if (tablespaceMap !== null) await this.#addFile('tablespace_map', tablespaceMap);
    await this.#writer.addRaw(endOfArchive);
    await this.#pool.drain();
    if (this.#base !== undefined) this.#tars.push(this.#base.finish());
    const trees = this.#leaveOutUnmapped(tablespaceMap);
    const lists = this.#account.close({ timeline, startLsn, stopLsn });
    const [sums, tars] = await Promise.all([lists, Promise.all(this.#tars)]);
    const { checksums, blockSize, walSegmentSize, relationSegmentBlocks } = this.#control;
    const { bytes, files, damagedPages } = this.#account;
    this.#tell({
      type: 'finished',
      summary: {
        checksums,
        blockSize,
        walSegmentSize,
        relationSegmentBlocks,
        bytes,
        files,
        tars: tars.filter(({ name }) => trees.some((tree) => tarName(tree) === name)),
        tablespaces: trees
          .filter((tree) => tree.oid !== undefined)
          .map((tree) => ({ oid: tree.oid ?? 0, path: toText(tree.location ?? ''), tar: tarName(tree) })),
        damagedPages,
        ...sums,
      },
    });
  }

  /**
   * Removes the tars of tablespaces that tablespace_map does not name. Such a tablespace was created after
   * pg_backup_start had made the map and before the copy looked at pg_tblspc. Replay of WAL creates the tablespace
   * again, and its copied files have no place to be restored to. Returns the trees that remain.
   */
  #leaveOutUnmapped(tablespaceMap: Uint8Array | null): TarSource[] {
    const { major, output } = this.#options;
    const mapped = parseTablespaceMap(Buffer.from(tablespaceMap ?? []), major).map(({ oid }) => Number(oid));
    const isMapped = ({ oid }: TarSource) => oid === undefined || mapped.includes(oid);
    for (const tree of this.#layout.trees.filter((it) => !isMapped(it))) {
      this.#account.forget(tarName(tree), `pg_tblspc/${tree.oid}/`);
      rmSync(join(output, tarName(tree)));
    }
    return this.#layout.trees.filter(isMapped);
  }

  async #copyTree(tree: TarSource): Promise<void> {
    const tar = new TarOutput(this.#options.output, tarName(tree));
    this.#writer.begin(tar);
    let special = 0;
    for (const found of walk(tree, this.#layout)) {
      if (found.kind === 'special') {
        special += 1;
        if (special <= mostWarnings)
          this.#warn(
            `"${toText(found.source)}" ${found.why ?? 'is neither a file nor a directory'} and is not copied`,
          );
      } else if (found.kind === 'directory') {
        await this.#writer.addDirectory(this.#member(`${found.name}/`, 0, found.stats));
      } else {
        await this.#copyFile(found);
      }
    }
    if (special > mostWarnings) this.#warn(`${special - mostWarnings} more such files are not copied`);
    await this.#writer.flush();
    if (tree.oid === undefined) {
      this.#base = tar;
    } else {
      await this.#writer.addRaw(endOfArchive);
      await this.#pool.drain();
      const finished = tar.finish();
      // without this handler, a rejection would be unhandled until Promise.all in `finish` waits for all tars
      finished.catch((error: unknown) => this.#fail(copyFailureOf(error)));
      this.#tars.push(finished);
    }
  }

  #copyFile({ at, path, name, stats }: WalkEntry): Promise<void> {
    const { blockSize, relationSegmentBlocks } = this.#control;
    const { changes } = this.#options;
    const lengths = this.#lengths;
    const slash = path.lastIndexOf('/');
    const relation = holdsRelations(path.slice(0, Math.max(0, slash)))
      ? relationFile(path.slice(slash + 1))
      : undefined;
    return this.#writer.addFile({
      source: at,
      owner: this.#layout.judgedBy,
      path,
      member: this.#member(name, stats.size, stats),
      firstBlock: relation && relation.segment * relationSegmentBlocks,
      blockSize,
      part:
        relation &&
        changes &&
        lengths &&
        partialFile({ path, size: stats.size }, { changes, lengths }, this.#control),
    });
  }

  /**
   * Copies global/pg_control as the last file: the checkpoint in pg_control must not be older than any other file
   * of the copy. readControlFile never returns a half-written file.
   */
  async #copyControlFile(): Promise<void> {
    const { dataDirectory } = this.#options;
    const bytes = await readControlFile(dataDirectory);
    await this.#writer.flush();
    await this.#addFile('global/pg_control', bytes, statSync(`${dataDirectory}/global/pg_control`));
    await this.#writer.flush();
  }

  async #addFile(path: string, bytes: Uint8Array, stats?: Stats): Promise<void> {
    const about =
      stats ??
      Object.assign(Object.create(statSync(toSystem(toBytePath(this.#options.dataDirectory)))) as Stats, {
        mode: 0o600,
        mtimeMs: Date.now(),
      });
    await this.#writer.addBytes(this.#member(path, bytes.length, about), path, bytes);
  }

  #member(name: string, size: number, { mode, mtimeMs, uid, gid }: Stats): TarMember {
    const names = this.#nameOwner(uid, gid);
    if (names.user === '' && !this.#nameless.has(uid)) {
      this.#nameless.add(uid);
      this.#warn(
        `the user id ${uid}, to which files belong, has no name here: a restore as root needs that number`,
      );
    }
    return {
      name,
      size,
      mode: mode & 0o7777,
      mtime: Math.floor(mtimeMs / 1000),
      uid,
      gid,
      ...names,
    };
  }

  #sayDamage(): void {
    const files = new Map<string, number[]>();
    for (const { file, block } of this.#account.damagedPages)
      files.set(file, [...(files.get(file) ?? []), block]);
    const all = [...files];
    for (const [file, blocks] of all.slice(0, mostWarnings)) {
      const shown = `${blocks.slice(0, 10).join(', ')}${blocks.length > 10 ? ', …' : ''}`;
      this.#warn(
        `the file "${file}" has ${blocks.length} damaged page${blocks.length === 1 ? '' : 's'}: block ${shown}`,
      );
    }
    if (all.length > mostWarnings)
      this.#warn(`${all.length - mostWarnings} more files have damaged pages: backup.json names them`);
    const [first] = this.#account.damagedPages;
    if (first === undefined || this.#options.onDamagedPage === 'warn') return;
    const others =
      all.length === 1 ? '' : `, as ${all.length - 1} other ${all.length === 2 ? 'file' : 'files'}`;
    throw CopyError.damage(
      `the file "${first.file}" has a damaged page, block ${first.block}${others}: the warnings name all`,
    );
  }

  #warn(text: string): void {
    this.#tell({ type: 'warning', text });
  }

  #fail(failure: CopyFailure): void {
    this.endProgress();
    this.#tell({ type: 'failed', failure });
  }
}

function tarName({ oid }: TarSource): string {
  return `${oid ?? 'base'}.tar.zst`;
}
