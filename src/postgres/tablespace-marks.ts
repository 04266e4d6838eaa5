/**
 * Searches WAL for records that create a tablespace, quickly and without parsing every record. Records begin at
 * multiples of 8 bytes; xl_info, xl_rmid and two bytes of padding are the first half of such an 8-byte word
 * (src/include/access/xlogrecord.h: XLogRecord). wal-records.ts parses the records in pages found here.
 */
import { dataMarks, recoveryRecordBytes, tablespaceManager } from './recovery-records.ts';
import { isContinued, longPageHeader } from './wal-page.ts';
import { recordHeaderBytes } from './wal-records.ts';

const word = tablespaceManager << 8;
/**
 * All bits of the word except the lower four of xl_info, which have the same meaning in all records. The upper four
 * are 0 for a creation.
 */
const significant = ~0x0f;
/** The offset of the word in the header. Bytes. */
const offset = 16;
/** Between two possible beginnings of records: 32-bit words. */
const step = 2;

/**
 * Whether a record that creates a tablespace may begin in these pages. false: there is none. The buffer has to begin
 * with a page.
 */
export function mayCreateTablespace(pages: Buffer, pageSize: number): boolean {
  const words = wordsOf(pages);
  for (let at = 0; at < words.length; at += step) {
    if (((words[at] ?? 0) & significant) === word && isPlausible(pages, at * 4, pageSize)) return true;
  }
  return false;
}

/**
 * Checks the length and the first block id of a candidate. Where a page boundary cuts the record, the check is
 * skipped.
 */
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

/** Whether the segment that begins with these pages may begin with the rest of a record that creates a tablespace. */
export function mayGoOnFromBefore(pages: Buffer): boolean {
  if (pages.length < longPageHeader || (pages.readUInt16LE(2) & isContinued) === 0) return false;
  return pages.readUInt32LE(offset) <= recoveryRecordBytes;
}

function wordsOf(pages: Buffer): Int32Array {
  const isAligned = pages.byteOffset % 4 === 0;
  const { buffer, byteOffset, length } = isAligned ? pages : Buffer.from(new Uint8Array(pages).buffer);
  return new Int32Array(buffer, byteOffset, Math.floor(length / 4));
}
