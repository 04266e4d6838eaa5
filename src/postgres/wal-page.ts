/** The page headers of the WAL (src/include/access/xlog_internal.h: XLogPageHeaderData, the same from 12 to 19). */
import { UnknownFormatError } from './unknown-format-error.ts';

/** XLOG_PAGE_MAGIC, the magic number at the beginning of each page, of each major version. */
const magicOfMajor: Readonly<Record<number, number>> = {
  12: 0xd101,
  13: 0xd106,
  14: 0xd10d,
  15: 0xd110,
  16: 0xd113,
  17: 0xd116,
  18: 0xd118,
  19: 0xd122,
};

const knownMagics: ReadonlySet<number> = new Set(Object.values(magicOfMajor));

/** The high byte of the magic numbers of PostgreSQL; the low byte changes with the format of WAL records. */
const highByte = 0xd1;

/** Whether the page begins with the magic number of a supported version. */
export function hasWalMagic(page: Buffer): boolean {
  return knownMagics.has(page.readUInt16LE(0));
}

/**
 * Refuses the WAL of other versions of PostgreSQL: the meaning of its headers and records is unknown.
 * @throws UnknownFormatError with the magic number
 */
export function refuseUnknownMagic(page: Buffer): void {
  const magic = page.readUInt16LE(0);
  if (magic >> 8 !== highByte || knownMagics.has(magic)) return;
  const hexadecimal = magic.toString(16).toUpperCase();
  throw UnknownFormatError.of(`WAL pages with the magic number 0x${hexadecimal}`);
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
