/**
 * What has been copied: takes the frames' results in their order and keeps the manifest, the frame index and the
 * sums. A file that was split into frames is put together again here.
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
import { AppendFile } from './append-file.ts';
import { toText } from '../../system/byte-path.ts';
import type { DamagedPage, FrameResult } from './copy-messages.ts';
import type { TarOutput } from './tar-output.ts';

/** What a part with data belongs to, in the order of the parts. */
export interface FileSlice {
  /** In the manifest. */
  path: string;
  mtime: number;
  isFirst: boolean;
  isLast: boolean;
  /** For a descriptor that is no longer needed. */
  done?: () => void;
}

export interface FrameRecord {
  tar: TarOutput;
  /** By the number of the part. */
  pieces: (FileSlice | undefined)[];
  continues: Continuation | undefined;
}

/** Damaged pages that are listed; a disk that is falling apart has millions. */
const mostDamaged = 10_000;

export class CopyResults {
  #manifest: AppendFile;
  #frames: AppendFile;
  readonly #records = new Map<number, FrameRecord>();
  damagedPages: DamagedPage[] = [];
  /** By the name of the tar. */
  readonly #sums = new Map<string, { files: number; bytes: number }>();
  /** Of files that are not finished, too. */
  bytesRead = 0;
  #sum = 0;
  #size = 0;

  constructor(output: string, major: number, systemIdentifier: string) {
    this.#manifest = new AppendFile(join(output, 'backup_manifest'));
    this.#frames = new AppendFile(join(output, 'frames.jsonl'));
    this.#manifest.append(manifestHead(major, systemIdentifier));
  }

  expect(number: number, record: FrameRecord): void {
    this.#records.set(number, record);
  }

  enter({ number, offset, length, size, contents, damaged }: FrameResult): void {
    const record = this.#records.get(number);
    if (record === undefined) throw new Error(`frame ${number} was not expected`);
    this.#records.delete(number);
    const { tar, pieces, continues } = record;
    tar.add({ length, size });
    this.#frames.append(
      writeFrameIndex({ tar: tar.name, offset, length, size, ...(continues && { continues }) }),
    );
    for (const { part, block } of damaged) this.#enterDamage(pieces[part]?.path ?? '', block);
    for (const [index, piece] of pieces.filter((it) => it !== undefined).entries())
      this.#enterPiece(tar.name, piece, contents[index] ?? null);
  }

  #enterPiece(tar: string, piece: FileSlice, content: FrameResult['contents'][number]): void {
    if (content !== null) {
      this.bytesRead += content.size;
      this.#sum = piece.isFirst ? content.crc32c : combineCrc32c(this.#sum, content.crc32c, content.size);
      this.#size = piece.isFirst ? content.size : this.#size + content.size;
      if (piece.isLast) this.#enterFile(tar, piece.path, piece.mtime);
    }
    piece.done?.();
  }

  #enterFile(tar: string, path: string, mtime: number): void {
    const isFirst = this.#sums.size === 0;
    this.#manifest.append(manifestEntry({ path, size: this.#size, mtime, crc32c: this.#sum }, isFirst));
    const { files, bytes } = this.#sums.get(tar) ?? { files: 0, bytes: 0 };
    this.#sums.set(tar, { files: files + 1, bytes: bytes + this.#size });
  }

  #enterDamage(path: string, block: number): void {
    if (this.damagedPages.length < mostDamaged) this.damagedPages.push({ file: toText(path), block });
  }

  get files(): number {
    return this.#total(({ files }) => files);
  }

  get bytes(): number {
    return this.#total(({ bytes }) => bytes);
  }

  #total(of: (sum: { files: number; bytes: number }) => number): number {
    return [...this.#sums.values()].reduce((total, sum) => total + of(sum), 0);
  }

  /** As if that tar had not been made; not for the last one. `path`: what the names of its files begin with. */
  forget(tar: string, path: string): void {
    this.#manifest = this.#manifest.without((line) => namesFileBelow(path, line));
    this.#frames = this.#frames.without((line) => (JSON.parse(line) as FrameEntry).tar === tar);
    this.damagedPages = this.damagedPages.filter(({ file }) => !file.startsWith(path));
    this.#sums.delete(tar);
  }

  /** Makes both files last. */
  close(wal: ManifestWal): { manifestCrc32c: number; manifestBytes: number; framesCrc32c: number } {
    this.#manifest.append(manifestTail(wal));
    this.#manifest.append(manifestEnd(this.#manifest.sha256()));
    const manifest = this.#manifest.close();
    return {
      manifestCrc32c: manifest.crc32c,
      manifestBytes: manifest.bytes,
      framesCrc32c: this.#frames.close().crc32c,
    };
  }
}
