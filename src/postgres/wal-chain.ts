/**
 * Checks that the records of one WAL segment continue those of the preceding segment. Each record has the LSN of the
 * preceding record (xl_prev), and each page has the number of bytes left of a continued record (xlp_rem_len). Two
 * servers promoted at the same LSN have the same system identifier, timeline and file names, but their records do not
 * continue each other. (src/include/access/xlog_internal.h, xlogrecord.h: the same from 12 to 19.) Pure.
 * Little-endian.
 */
import { formatLsn } from './lsn.ts';
import type { TimelineSpan } from './timeline-history.ts';
import {
  aligned,
  hasWalMagic,
  isContinued,
  isLong,
  isOverwritten,
  longPageHeader,
  pageSizeIn,
  refuseUnknownMagic,
  shortPageHeader,
} from './wal-page.ts';
import { recordHeaderBytes } from './wal-records.ts';

/** The links of a segment to its neighbours. */
export interface SegmentLinks {
  name: string;
  /** The LSN at which the segment begins. */
  address: bigint;
  /** The timeline of the first page. */
  timeline: number;
  /** Bytes of a continued record at the beginning of the segment. */
  continued: number;
  /** Whether the record begun in the preceding segment was abandoned after a crash. */
  overwritten: boolean;
  /** The first record that begins in the segment; undefined where no record does. */
  first: RecordLink | undefined;
  /** The last record that begins in the segment; undefined where no record does. */
  last: RecordLink | undefined;
  /** Bytes of the last record that belong to the next segment. */
  open: number;
  /**
   * The LSN at which the WAL of the segment ends without a switch to the next segment; undefined where the WAL
   * continues in the next segment.
   */
  endsAt: bigint | undefined;
}

interface RecordLink {
  lsn: bigint;
  /** xl_prev, the LSN of the preceding record; undefined where xl_prev lies in the next segment. */
  previous: bigint | undefined;
}

/** Bytes of a record's header up to the end of xl_prev. */
const upToPrevious = 16;
const switchInfo = 0x40;

interface Page {
  bytes: Buffer;
  address: bigint;
  /** The offset of the content on the page. */
  content: number;
  /** The offset of the first record that begins on the page. */
  start: number;
}

/** Reads the pages of one segment in order, and returns the links. */
export class LinkReader {
  readonly #name: string;
  #next: bigint;
  #pageSize = 0;
  #head: Pick<SegmentLinks, 'address' | 'timeline' | 'continued' | 'overwritten'> | undefined;
  /** The first page on which a record begins, and the page after it. */
  #first: Page[] = [];
  /**
   * The last page on which a record begins, and the page after it. The pages behind only continue the last record.
   */
  #last: Page[] = [];
  /** Bytes of content on the pages behind the last page on which a record begins. */
  #behind = 0;
  #isOver = false;

  constructor(name: string, address: bigint) {
    this.#name = name;
    this.#next = address;
  }

  /**
   * Reads the next pages.
   * @throws RangeError where the first page is not the beginning of the segment; UnknownFormatError for WAL of other
   * versions
   */
  take(pages: Buffer): void {
    if (this.#pageSize === 0) {
      if (pages.length >= 2) refuseUnknownMagic(pages);
      this.#pageSize = pageSizeOf(pages);
    }
    for (let at = 0; at < pages.length; at += this.#pageSize) {
      this.#page(pages.subarray(at, at + this.#pageSize));
      this.#next += BigInt(this.#pageSize);
    }
    // The caller reuses the memory of the pages.
    this.#first = this.#first.map(copied);
    this.#last = this.#last.map(copied);
  }

  #page(bytes: Buffer): void {
    const address = this.#next;
    if (this.#isOver) return;
    if (!hasWalMagic(bytes) || bytes.readBigUInt64LE(8) !== address) {
      if (this.#head === undefined) throw new RangeError('it does not begin as this WAL segment does');
      this.#isOver = true; // after a switch, the rest of the segment is zero
      return;
    }
    const flags = bytes.readUInt16LE(2);
    const rest = (flags & isContinued) === 0 ? 0 : bytes.readUInt32LE(16);
    this.#head ??= {
      address,
      timeline: bytes.readUInt32LE(4),
      continued: rest,
      overwritten: (flags & isOverwritten) !== 0,
    };
    const content = (flags & isLong) === 0 ? shortPageHeader : longPageHeader;
    const page = { bytes, address, content, start: content + aligned(rest) };
    if (this.#first.length === 1) this.#first.push(page);
    if (page.start + 8 <= bytes.length && bytes.readUInt32LE(page.start) >= recordHeaderBytes) {
      if (this.#first.length === 0) this.#first.push(page);
      this.#last = [page];
      this.#behind = 0;
      return;
    }
    this.#behind += bytes.length - content;
    if (this.#last.length === 1) this.#last.push(page);
  }

  /** Returns the links after all pages have been read. @throws RangeError where no page was read */
  links(): SegmentLinks {
    if (this.#head === undefined) throw new RangeError('it is empty');
    const [page] = this.#first;
    const first = page === undefined ? undefined : linkAt(this.#first, page.start);
    return { name: this.#name, ...this.#head, first, ...this.#end(this.#head.continued) };
  }

  #end(continued: number): Pick<SegmentLinks, 'last' | 'open' | 'endsAt'> {
    const [page] = this.#last;
    if (page === undefined) {
      const open = Math.max(0, continued - this.#behind);
      // No record begins in the segment: it holds a part of a record longer than a segment.
      return { last: undefined, open, endsAt: this.#isOver ? this.#next : undefined };
    }
    let last: RecordLink | undefined;
    let at = page.start;
    while (at + 8 <= page.bytes.length) {
      const total = page.bytes.readUInt32LE(at);
      if (total < recordHeaderBytes) return this.#overAt(page, last, at);
      last = linkAt(this.#last, at, last?.lsn);
      const after = at + aligned(total);
      if (after > page.bytes.length) {
        const open = total - (page.bytes.length - at) - this.#behind;
        // More zeros than the alignment to 8 bytes follow the record: no other record follows.
        if (this.#isOver || open <= -8) return this.#overBehind(page, last, at);
        return { last, open: Math.max(0, open), endsAt: undefined };
      }
      if (after === page.bytes.length && this.#isOver) return this.#overAt(page, last, at, after);
      at = after;
    }
    return { last, open: 0, endsAt: undefined };
  }

  #overAt(page: Page, last: RecordLink | undefined, at: number, after = at) {
    const begin = last === undefined ? undefined : Number(last.lsn - page.address);
    const isSwitch = begin !== undefined && isSwitchAt(this.#last, begin);
    return { last, open: 0, endsAt: isSwitch ? undefined : page.address + BigInt(after) };
  }

  /** The last record extends beyond the page on which it begins, and no other record follows. */
  #overBehind(page: Page, last: RecordLink, at: number) {
    return { last, open: 0, endsAt: isSwitchAt(this.#last, at) ? undefined : page.address + BigInt(at) };
  }
}

/**
 * Returns why the second segment does not continue the first one; undefined where no mismatch is found. `spans`: the
 * timelines of the history; undefined where unknown.
 */
export function breakBetween(
  before: SegmentLinks,
  after: SegmentLinks,
  spans?: readonly TimelineSpan[],
): string | undefined {
  const at = formatLsn(after.address);
  const say = (why: string) => `${after.name} does not follow ${before.name} at ${at}: ${why}`;
  if (before.endsAt !== undefined)
    return say(`the WAL of ${before.name} ends at ${formatLsn(before.endsAt)}`);
  if (!after.overwritten && before.open !== after.continued)
    return say(
      `a record has ${before.open} bytes left after ${before.name}, and ${after.name} begins with ${after.continued}`,
    );
  const expected = after.overwritten && before.open > 0 ? before.last?.previous : before.last?.lsn;
  const named = after.first?.previous;
  if (expected !== undefined && named !== undefined && expected !== named)
    return say(
      `its first record follows one at ${formatLsn(named)}, and the last one of ${before.name} is at ${formatLsn(expected)}`,
    );
  if (spans === undefined || isOn(after, spans)) return undefined;
  return say(`it was written on timeline ${after.timeline}, which is not the one that has this place`);
}

/** The page at which a timeline was left may belong to either timeline. */
function isOn({ timeline, address }: SegmentLinks, spans: readonly TimelineSpan[]): boolean {
  return spans.some(
    (span) =>
      span.timeline === timeline && span.begin <= address && (span.end === undefined || address <= span.end),
  );
}

function linkAt(pages: readonly Page[], at: number, before?: bigint): RecordLink {
  const lsn = (pages[0]?.address ?? 0n) + BigInt(at);
  const header = headerAt(pages, at);
  const previous = header.length < upToPrevious ? before : header.readBigUInt64LE(8);
  return { lsn, previous };
}

function isSwitchAt(pages: readonly Page[], at: number): boolean {
  const header = headerAt(pages, at);
  return (
    header.length === recordHeaderBytes &&
    header.readUInt8(17) === 0 &&
    (header.readUInt8(16) & 0xf0) === switchInfo
  );
}

/** Returns the available bytes of the record's header, which may continue on the next page. */
function headerAt([page, next]: readonly Page[], at: number): Buffer {
  if (page === undefined) return Buffer.alloc(0);
  const begin = page.bytes.subarray(at, at + recordHeaderBytes);
  if (begin.length === recordHeaderBytes || next === undefined) return begin;
  const rest = next.bytes.subarray(next.content, next.content + recordHeaderBytes - begin.length);
  return Buffer.concat([begin, rest]);
}

function copied(page: Page): Page {
  return { ...page, bytes: Buffer.from(page.bytes) };
}

/** @throws RangeError where the pages do not begin with a long page header, or are not whole */
function pageSizeOf(pages: Buffer): number {
  const size = pageSizeIn(pages);
  if (size === undefined || pages.length % size !== 0)
    throw new RangeError('it does not begin as a WAL segment does');
  return size;
}
