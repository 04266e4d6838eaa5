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
  type ManifestWal,
} from '../../postgres/backup-manifest.ts';
import { writeFrameIndex, type Continuation } from '../../repository/frame-index.ts';
import { AppendFile } from './append-file.ts';
import { toText } from './byte-path.ts';
import type { DamagedPage, FrameResult } from './messages.ts';
import type { TarOutput } from './tar-output.ts';

/** What a part with data belongs to, in the order of the parts. */
export interface Piece {
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
  pieces: (Piece | undefined)[];
  continues: Continuation | undefined;
}

/** Damaged pages that are listed; a disk that is falling apart has millions. */
const mostDamaged = 10_000;

export class Account {
  readonly #manifest: AppendFile;
  readonly #frames: AppendFile;
  readonly #records = new Map<number, FrameRecord>();
  readonly damagedPages: DamagedPage[] = [];
  bytes = 0;
  files = 0;
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
      this.#enterPiece(piece, contents[index] ?? null);
  }

  #enterPiece(piece: Piece, content: FrameResult['contents'][number]): void {
    if (content !== null) {
      this.bytesRead += content.size;
      this.#sum = piece.isFirst ? content.crc32c : combineCrc32c(this.#sum, content.crc32c, content.size);
      this.#size = piece.isFirst ? content.size : this.#size + content.size;
      if (piece.isLast) this.#enterFile(piece.path, piece.mtime);
    }
    piece.done?.();
  }

  #enterFile(path: string, mtime: number): void {
    this.#manifest.append(
      manifestEntry({ path, size: this.#size, mtime, crc32c: this.#sum }, this.files === 0),
    );
    this.files += 1;
    this.bytes += this.#size;
  }

  #enterDamage(path: string, block: number): void {
    if (this.damagedPages.length < mostDamaged) this.damagedPages.push({ file: toText(path), block });
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
