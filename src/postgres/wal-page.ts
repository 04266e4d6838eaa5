/** The page headers of the WAL (src/include/access/xlog_internal.h: XLogPageHeaderData, the same from 12 to 18). */

/** The high byte of XLOG_PAGE_MAGIC in all releases from 12 on; the low byte changes with the WAL format. */
const magicOfPostgres = 0xd1;

/** Whether the page begins with the magic number of a WAL page. */
export function hasWalMagic(page: Buffer): boolean {
  return page.readUInt16LE(0) >> 8 === magicOfPostgres;
}

/** Returns xlp_xlog_blcksz of a long page header, in bytes; undefined where there is no valid value. */
export function pageSizeIn(beginning: Buffer): number | undefined {
  const size = beginning.length < longPageHeader ? 0 : beginning.readUInt32LE(36);
  return size >= 1024 && size <= 65_536 && (size & (size - 1)) === 0 ? size : undefined;
}

/** Records begin at multiples of 8 bytes. */
export function aligned(at: number): number {
  return (at + 7) & ~7;
}

/** Bytes. */
export const shortPageHeader = 24;
/** Bytes. The first page of a segment has a long header. */
export const longPageHeader = 40;

/** Flags in xlp_info: the page begins with the rest of a record; the page has a long header. */
export const isContinued = 0x0001;
export const isLong = 0x0002;
/** Flag in xlp_info: the record continued here was abandoned after a crash. */
export const isOverwritten = 0x0008;
