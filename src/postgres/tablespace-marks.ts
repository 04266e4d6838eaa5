/**
 * A quick test of WAL for records that create a tablespace, for what passes by too fast to read every record. They
 * begin at multiples of 8 bytes, so xl_info, xl_rmid and the padding behind them are the first half of such a word
 * (src/include/access/xlogrecord.h: XLogRecord; wal-records.ts reads what is found here).
 */
import { dataMarks, recoveryRecordBytes, tablespaceManager } from './recovery-records.ts';
import { isContinued, longPageHeader } from './wal-page.ts';
import { recordHeaderBytes } from './wal-records.ts';

const word = tablespaceManager << 8;
/** All but the bits of xl_info that are the same for all: creation is 0 in the others. */
const significant = ~0x0f;
/** Where it is in the header. */
const offset = 16;
/** Bytes: 32-bit words between two beginnings of records. */
const step = 2;

/** Whether one may begin in these pages, the first of which begins a page. Not: none does. */
export function mayCreateTablespace(pages: Buffer, pageSize: number): boolean {
  const words = wordsOf(pages);
  for (let at = 0; at < words.length; at += step) {
    if (((words[at] ?? 0) & significant) === word && isPlausible(pages, at * 4, pageSize)) return true;
  }
  return false;
}

/** A record that a page boundary cuts is not looked at closely. */
function isPlausible(pages: Buffer, at: number, pageSize: number): boolean {
  const inPage = at % pageSize;
  if (inPage >= longPageHeader + offset) {
    const total = pages.readUInt32LE(at - offset);
    if (total <= recordHeaderBytes || total > recoveryRecordBytes) return false;
  }
  const data = at - offset + recordHeaderBytes;
  if (inPage + recordHeaderBytes - offset >= pageSize || data >= pages.length) return true;
  return dataMarks.includes(pages.readUInt8(data));
}

/** Whether the segment that these pages begin may begin with the rest of such a record. */
export function mayGoOnFromBefore(pages: Buffer): boolean {
  if (pages.length < longPageHeader || (pages.readUInt16LE(2) & isContinued) === 0) return false;
  return pages.readUInt32LE(offset) <= recoveryRecordBytes;
}

function wordsOf(pages: Buffer): Int32Array {
  const isAligned = pages.byteOffset % 4 === 0;
  const { buffer, byteOffset, length } = isAligned ? pages : Buffer.from(new Uint8Array(pages).buffer);
  return new Int32Array(buffer, byteOffset, Math.floor(length / 4));
}
