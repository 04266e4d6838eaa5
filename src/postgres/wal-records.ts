/**
 * Reads WAL records, segment after segment (src/include/access/xlogrecord.h, xlog_internal.h: XLogRecord and
 * XLogPageHeaderData, the same from 12 to 19). Little-endian.
 */
import {
  aligned,
  isContinued,
  isLong,
  isOverwritten,
  longPageHeader,
  refuseUnknownMagic,
  shortPageHeader,
} from './wal-page.ts';

/** A WAL record, or the beginning of a long one. */
export interface WalRecord {
  /** The LSN at which the record begins. */
  lsn: bigint;
  /** xl_rmid, the resource manager. */
  manager: number;
  /** xl_info without the bits that have the same meaning in all records. */
  info: number;
  /** The bytes of the record including the header, up to the requested length. */
  bytes: Buffer;
}

/** Bytes. */
export const recordHeaderBytes = 24;

interface Unfinished {
  lsn: bigint;
  total: number;
  got: number;
  bytes: Buffer;
}

/** Reads the records of consecutive pages. */
export class WalRecords {
  readonly #most: number;
  #unfinished: Unfinished | undefined;
  /** Bytes left of a record whose beginning was not read. */
  #skipped = 0;

  /** `most`: the bytes to keep of each record. */
  constructor(most: number) {
    this.#most = Math.max(most, recordHeaderBytes);
  }

  /**
   * Yields the records that end in these pages. `address`: the LSN of the first page. The pages of the next call have
   * to follow these.
   * @throws UnknownFormatError for WAL of other versions
   */
  *in(pages: Buffer, address: bigint, pageSize: number): Generator<WalRecord> {
    for (let at = 0; at < pages.length; at += pageSize) {
      const page = pages.subarray(at, at + pageSize);
      const expected = address + BigInt(at);
      // The page has never been written, or is left from before the file was recycled.
      if (page.readUInt16LE(0) === 0 || page.readBigUInt64LE(8) !== expected) return;
      refuseUnknownMagic(page);
      yield* this.#inPage(page, expected);
    }
  }

  *#inPage(page: Buffer, address: bigint): Generator<WalRecord> {
    const flags = page.readUInt16LE(2);
    let at = (flags & isLong) === 0 ? shortPageHeader : longPageHeader;
    if ((flags & isContinued) === 0 || (flags & isOverwritten) !== 0) this.#unfinished = undefined;
    else if (this.#unfinished === undefined) this.#skipped = page.readUInt32LE(16);
    if ((flags & isContinued) === 0) this.#skipped = 0;
    const skipped = Math.min(this.#skipped, page.length - at);
    this.#skipped -= skipped;
    at = aligned(at + skipped);
    while (at < page.length) {
      this.#unfinished ??= begin(page, at, address, this.#most);
      if (this.#unfinished === undefined) return; // zeros: the rest of a segment after a switch
      at = aligned(at + take(this.#unfinished, page.subarray(at)));
      const { lsn, total, got, bytes } = this.#unfinished;
      if (got < total) return;
      this.#unfinished = undefined;
      yield { lsn, manager: bytes.readUInt8(17), info: bytes.readUInt8(16) & 0xf0, bytes };
    }
  }
}

function begin(page: Buffer, at: number, address: bigint, most: number): Unfinished | undefined {
  const total = page.readUInt32LE(at);
  if (total < recordHeaderBytes) return undefined;
  return { lsn: address + BigInt(at), total, got: 0, bytes: Buffer.allocUnsafe(Math.min(total, most)) };
}

function take(record: Unfinished, from: Buffer): number {
  const length = Math.min(record.total - record.got, from.length);
  if (record.got < record.bytes.length) from.copy(record.bytes, record.got, 0, length);
  record.got += length;
  return length;
}
