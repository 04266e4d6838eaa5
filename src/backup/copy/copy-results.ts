/**
 * Takes the results of the frames in their order, and writes the manifest, the frame index, the lengths of partial files,
 * and the totals. The
 * pieces of a file that was split into frames are combined here.
 */
import { join } from 'node:path';
import { combineCrc32c } from '../../postgres/crc32c.ts';
import {
  manifestEnd,
  manifestEntry,
  manifestHead,
  manifestTail,
  namesFileBelow,
  type ManifestWal,
} from '../../postgres/backup-manifest.ts';
import { writeFrameIndex, type Continuation, type FrameEntry } from '../../repository/frame-index.ts';
import { writeRelationLength, type RelationLength } from '../../repository/relation-lengths.ts';
import { AppendFile } from './append-file.ts';
import { toText } from '../../system/byte-path.ts';
import type { DamagedPage } from '../../repository/repository-backup.ts';
import type { CopyOptions, CopySummary, FrameResult } from './copy-messages.ts';
import type { TarOutput } from './tar-output.ts';

/** A part with data: a file, or one piece of a file. Parts are in the order of the frame. */
export interface FileSlice {
  /** Path in the manifest. */
  path: string;
  /** Seconds since 1970. */
  mtime: number;
  isFirst: boolean;
  isLast: boolean;
  /** Of a partial file: the path and the length of the whole file. */
  whole?: RelationLength;
  /** Called when the piece is done, to close the file descriptor. */
  done?: () => void;
}

/** The content of a frame, recorded before the result of the frame arrives. */
export interface FrameRecord {
  tar: TarOutput;
  /** By the index of the part; undefined: a part without data, or data outside of a file. */
  pieces: (FileSlice | undefined)[];
  /** undefined: the frame does not continue a file of the frame before. */
  continues: Continuation | undefined;
}

/** Damaged pages that are listed at most; a failing disk may have millions. */
const mostDamaged = 10_000;

/** The manifest, the frame index and the totals of a copy. */
export class CopyResults {
  #manifest: AppendFile;
  #frames: AppendFile;
  /** undefined: a full copy. */
  #lengths: AppendFile | undefined;
  readonly #records = new Map<number, FrameRecord>();
  damagedPages: DamagedPage[] = [];
  /** By the name of the tar. `bytes`: the sum of the sizes of the files. */
  readonly #sums = new Map<string, { files: number; bytes: number }>();
  /** Bytes of files, including files that are not finished. */
  bytesRead = 0;
  #sum = 0;
  #size = 0;

  constructor(
    output: string,
    { major, systemIdentifier, changes }: Pick<CopyOptions, 'major' | 'systemIdentifier' | 'changes'>,
  ) {
    this.#lengths = changes && new AppendFile(join(output, 'lengths.jsonl'));
    this.#manifest = new AppendFile(join(output, 'backup_manifest'));
    this.#frames = new AppendFile(join(output, 'frames.jsonl'));
    this.#manifest.append(manifestHead(major, systemIdentifier));
  }

  /** Announces a frame whose result will come. */
  expect(number: number, record: FrameRecord): void {
    this.#records.set(number, record);
  }

  /** Enters the result of a frame. Results must come in the order of the frames. */
  enter({ number, offset, length, size, contents, damaged }: FrameResult): void {
    const record = this.#records.get(number);
    if (record === undefined) throw new Error(`frame ${number} was not expected`);
    this.#records.delete(number);
    const { tar, pieces, continues } = record;
    tar.add({ length, size });
    this.#frames.append(
      writeFrameIndex({ tar: tar.name, offset, length, size, ...(continues && { continues }) }),
    );
    for (const { part, block } of damaged)
      this.#enterDamage(pieces[part]?.whole?.path ?? pieces[part]?.path ?? '', block);
    for (const [index, piece] of pieces.filter((it) => it !== undefined).entries())
      this.#enterPiece(tar.name, piece, contents[index] ?? null);
  }

  #enterPiece(tar: string, piece: FileSlice, content: FrameResult['contents'][number]): void {
    if (content !== null) {
      this.bytesRead += content.size;
      this.#sum = piece.isFirst ? content.crc32c : combineCrc32c(this.#sum, content.crc32c, content.size);
      this.#size = piece.isFirst ? content.size : this.#size + content.size;
      if (piece.isLast) this.#enterFile(tar, piece);
    }
    piece.done?.();
  }

  #enterFile(tar: string, { path, mtime, whole }: FileSlice): void {
    const isFirst = this.#sums.size === 0;
    this.#manifest.append(manifestEntry({ path, size: this.#size, mtime, crc32c: this.#sum }, isFirst));
    if (whole !== undefined) this.#lengths?.append(writeRelationLength(whole));
    const { files, bytes } = this.#sums.get(tar) ?? { files: 0, bytes: 0 };
    this.#sums.set(tar, { files: files + 1, bytes: bytes + this.#size });
  }

  #enterDamage(path: string, block: number): void {
    if (this.damagedPages.length < mostDamaged) this.damagedPages.push({ file: toText(path), block });
  }

  /** The number of files that have been copied. */
  get files(): number {
    return this.#total(({ files }) => files);
  }

  /** The sum of the sizes of the copied files. Bytes. */
  get bytes(): number {
    return this.#total(({ bytes }) => bytes);
  }

  #total(of: (sum: { files: number; bytes: number }) => number): number {
    return [...this.#sums.values()].reduce((total, sum) => total + of(sum), 0);
  }

  /**
   * Removes a tar that is left out of the backup. The last tar cannot be removed. `path`: the beginning of the
   * paths of its files.
   */
  forget(tar: string, path: string): void {
    this.#manifest = this.#manifest.without((line) => namesFileBelow(path, line));
    this.#frames = this.#frames.without((line) => (JSON.parse(line) as FrameEntry).tar === tar);
    this.#lengths = this.#lengths?.without((line) =>
      (JSON.parse(line) as RelationLength).path.startsWith(path),
    );
    this.damagedPages = this.damagedPages.filter(({ file }) => !file.startsWith(path));
    this.#sums.delete(tar);
  }

  /** Ends the files and flushes the files to disk, all at the same time. @throws CopyError */
  async close(
    wal: ManifestWal,
  ): Promise<Pick<CopySummary, 'manifestCrc32c' | 'manifestBytes' | 'framesCrc32c' | 'lengthsCrc32c'>> {
    this.#manifest.append(manifestTail(wal));
    this.#manifest.append(manifestEnd(this.#manifest.sha256()));
    const [manifest, frames, lengths] = await Promise.all([
      this.#manifest.close(),
      this.#frames.close(),
      this.#lengths?.close(),
    ]);
    return {
      manifestCrc32c: manifest.crc32c,
      manifestBytes: manifest.bytes,
      framesCrc32c: frames.crc32c,
      lengthsCrc32c: lengths?.crc32c,
    };
  }
}
