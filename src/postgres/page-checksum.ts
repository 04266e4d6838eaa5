/**
 * The checksums of data pages (src/include/storage/checksum_impl.h): 32 parallel FNV-1a sums over the page with
 * pd_checksum set to zero, combined to one sum and mixed with the block number.
 */

import { allocatePageMemory, type PageSum } from './page-memory.ts';

/** The settings for checking pages. */
export interface PageRules {
  /** Bytes per page. */
  blockSize: number;
  /** The start LSN of the backup. Pages written later are restored by replay, and may be read while being written. */
  startLsn: bigint;
}

const lanes = 32;
const prime = 16777619;
const offsets = Int32Array.of(
  0x5b1f36e9,
  0xb8525960,
  0x02ab50aa,
  0x1de66d2a,
  0x79ff467a,
  0x9bb9f8a3,
  0x217e7cd2,
  0x83e13d2c,
  0xf8d4474f,
  0xe39eb970,
  0x42c6ae16,
  0x993216fa,
  0x7b093b5d,
  0x98daff3c,
  0xf718902a,
  0x0b1c9cdb,
  0xe58f764b,
  0x187636bc,
  0x5d7b3bb1,
  0xe73de7de,
  0x92bec979,
  0xcca6c0b2,
  0x304a0979,
  0x85aa43d4,
  0x783125bb,
  0x6ca8eaa2,
  0xe407eac6,
  0x4b5cfc3e,
  0x9fbf8c76,
  0x15ca20be,
  0xf2ca9fd3,
  0x959bd756,
);

/** The functions that compute checksums of pages in memory of their own. */
const sums = new WeakMap<ArrayBufferLike, PageSum>();

/**
 * Allocates memory in which the checksums of pages are computed several times as fast, where the system allows that.
 * `bytes`: at least so many.
 */
export function memoryForPages(bytes: number): ArrayBuffer {
  const memory = allocatePageMemory(bytes, { offsets, prime });
  if (memory === undefined) return new ArrayBuffer(bytes);
  sums.set(memory.buffer, memory.sum);
  return memory.buffer;
}

/** Bytes of WAL. No backup spans that much WAL, so a page LSN further behind the start of the backup is not valid. */
const mostInBackup = 1n << 44n;

/**
 * Returns the indexes of the pages that look damaged, among the pages from `words[from]` on. Such a page is not new,
 * was not written since the backup began, and does not match its checksum (src/backend/backup/basebackup.c:
 * verify_page_checksum). An undamaged page that was read while being written looks damaged, too. The header of a
 * damaged page may be wrong: a page counts as new only if all bytes are zero, and as written since the start only if
 * the LSN of the page is plausible.
 */
export function damagedPages(
  words: Int32Array,
  from: number,
  { pages, firstBlock }: { pages: number; firstBlock: number },
  { blockSize, startLsn }: PageRules,
): number[] {
  const startHigh = Number(startLsn >> 32n);
  const startLow = Number(startLsn & 0xffffffffn);
  const latestHigh = Number((startLsn + mostInBackup) >> 32n);
  const damaged: number[] = [];
  for (let page = 0; page < pages; page += 1) {
    const at = from + (page * blockSize) / 4;
    const high = word(words, at) >>> 0;
    const isOlder = high < startHigh || (high === startHigh && word(words, at + 1) >>> 0 < startLow);
    const isSince = !isOlder && high <= latestHigh && !saysNew(words, at);
    if (!isSince && !isSound(words, at, blockSize, firstBlock + page)) damaged.push(page);
  }
  return damaged;
}

/**
 * Whether a server accepts the page at `words[from]`. A new page has to consist of zeros
 * (src/backend/storage/page/bufpage.c: PageIsVerified).
 */
export function isSound(words: Int32Array, from: number, blockSize: number, block: number): boolean {
  if (saysNew(words, from)) return isZero(words, from, from + blockSize / 4);
  return pageChecksum(words, from, blockSize, block) === (word(words, from + checksumWord) & 0xffff);
}

/** Whether pd_upper is 0 (src/include/storage/bufpage.h: PageIsNew). */
function saysNew(words: Int32Array, from: number): boolean {
  return word(words, from + 3) >>> 16 === 0;
}

function isZero(words: Int32Array, from: number, end: number): boolean {
  for (let at = from; at < end; at += 1) if (words[at] !== 0) return false;
  return true;
}

/** The index of the word with pd_checksum in its lower half (src/include/storage/bufpage.h: PageHeaderData). */
const checksumWord = 2;

function word(words: Int32Array, at: number): number {
  return words[at] as number;
}

/** Returns the correct checksum of the page at `words[from]` as block `block`. */
export function pageChecksum(words: Int32Array, from: number, blockSize: number, block: number): number {
  const sum = sums.get(words.buffer);
  if (sum !== undefined) return sum(words.byteOffset + from * 4, blockSize, block);
  const kept = word(words, from + checksumWord);
  words[from + checksumWord] = kept & 0xffff0000;
  const end = from + blockSize / 4;
  let result = block;
  for (let lane = 0; lane < lanes; lane += 8) result ^= sumsOfEight(words, from, end, lane);
  words[from + checksumWord] = kept;
  return ((result >>> 0) % 65535) + 1;
}

/** Returns eight of the sums, combined: the number for which the processor has enough registers. */
function sumsOfEight(words: Int32Array, from: number, end: number, lane: number): number {
  let a = word(offsets, lane);
  let b = word(offsets, lane + 1);
  let c = word(offsets, lane + 2);
  let d = word(offsets, lane + 3);
  let e = word(offsets, lane + 4);
  let f = word(offsets, lane + 5);
  let g = word(offsets, lane + 6);
  let h = word(offsets, lane + 7);
  for (let at = from + lane; at < end; at += lanes) {
    a = mixed(a, word(words, at));
    b = mixed(b, word(words, at + 1));
    c = mixed(c, word(words, at + 2));
    d = mixed(d, word(words, at + 3));
    e = mixed(e, word(words, at + 4));
    f = mixed(f, word(words, at + 5));
    g = mixed(g, word(words, at + 6));
    h = mixed(h, word(words, at + 7));
  }
  return closed(a) ^ closed(b) ^ closed(c) ^ closed(d) ^ closed(e) ^ closed(f) ^ closed(g) ^ closed(h);
}

function mixed(sum: number, value: number): number {
  const both = sum ^ value;
  return Math.imul(both, prime) ^ (both >>> 17);
}

/** Two rounds with zeros complete each sum. */
function closed(sum: number): number {
  return mixed(mixed(sum, 0), 0);
}
