/**
 * Encodes and parses tar headers in the POSIX ustar format (IEEE Std 1003.1: pax Interchange Format). A pax header
 * precedes the ustar header where ustar does not suffice: for names that are too long or not ASCII, and sizes from 8
 * GiB on. User and group ids from 2^21 on are written in the format of GNU tar.
 */

/** Bytes; headers and data are padded to a multiple of this size. */
export const tarBlock = 512;

/** A member of a tar. */
export interface TarMember {
  /** Relative, separated by "/", one character per byte (latin1). The name of a directory ends with "/". */
  name: string;
  /** Bytes of data; 0 for a directory. */
  size: number;
  /** Permission bits. */
  mode: number;
  /** Seconds since 1970. */
  mtime: number;
  uid: number;
  gid: number;
  /** The names of the owner and the group; empty where unknown. */
  user: string;
  group: string;
}

/** The number of zero bytes behind `size` bytes of data. */
export function tarPadding(size: number): number {
  return (tarBlock - (size % tarBlock)) % tarBlock;
}

/** The end of a tar: two blocks of zeros. */
export const endOfArchive = Buffer.alloc(2 * tarBlock);

/** Encodes the member's header, with a pax header in front where needed. */
export function encodeHeader(member: TarMember): Buffer {
  const isDirectory = member.name.endsWith('/');
  const split = splitName(member.name);
  const records: [string, string][] = [];
  if (split === undefined || !isAscii(member.name)) records.push(['path', member.name]);
  if (member.size > largestSize) records.push(['size', String(member.size)]);
  const header = encodeBlock(member, split ?? shortened(member.name), isDirectory ? '5' : '0');
  return records.length === 0 ? header : Buffer.concat([encodePax(member, records), header]);
}

const longestName = 100;
const longestPrefix = 155;
/** Eleven octal digits. */
const largestSize = 0o77777777777;

interface SplitName {
  prefix: string;
  name: string;
}

/** Splits a name into prefix and name, at a "/"; undefined where the parts do not fit. */
function splitName(name: string): SplitName | undefined {
  if (name.length <= longestName) return { prefix: '', name };
  const at = name.indexOf('/', name.length - longestName - 1);
  if (at < 1 || at > longestPrefix || at === name.length - 1) return undefined;
  return { prefix: name.slice(0, at), name: name.slice(at + 1) };
}

/** For readers that do not support pax headers. */
function shortened(name: string): SplitName {
  return { prefix: '', name: name.slice(0, longestName) };
}

function isAscii(name: string): boolean {
  return /^[\x20-\x7e]*$/.test(name);
}

function encodeBlock(member: TarMember, { prefix, name }: SplitName, type: string): Buffer {
  const block = Buffer.allocUnsafe(tarBlock).fill(0); // from Node's pool, as a backup has very many headers
  const text = (value: string, at: number, length: number) =>
    block.write(value.slice(0, length), at, 'latin1');
  const octal = (value: number, at: number, digits: number) =>
    block.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1');
  text(name, 0, 100);
  octal(member.mode & 0o7777, 100, 7);
  writeId(block, member.uid, 108);
  writeId(block, member.gid, 116);
  octal(member.size > largestSize ? 0 : member.size, 124, 11);
  octal(Math.max(0, Math.floor(member.mtime)), 136, 11);
  text(type, 156, 1);
  text('ustar\x0000', 257, 8);
  text(member.user, 265, 31);
  text(member.group, 297, 31);
  octal(0, 329, 7);
  octal(0, 337, 7);
  text(prefix, 345, longestPrefix);
  block.write('        ', 148, 'latin1');
  block.write(`${sumOf(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** Bytes of the field for a user or group id. */
const idLength = 8;

/**
 * Writes ids from 2^21 on in the format of GNU tar, binary behind a byte of 0x80, because pg_verifybackup refuses pax
 * headers.
 */
function writeId(block: Buffer, id: number, at: number): void {
  if (id < 8 ** (idLength - 1)) {
    block.write(`${id.toString(8).padStart(idLength - 1, '0')}\0`, at, 'latin1');
    return;
  }
  block.writeUInt8(0x80, at);
  block.writeUIntBE(id, at + idLength - 6, 6);
}

/** Reads a user or group id. @throws RangeError where the id is negative or too large */
function readId(block: Buffer, at: number): number {
  const first = block.readUInt8(at);
  if (first < 0x80) return parseOctal(block.toString('latin1', at, at + idLength));
  const rest = block.subarray(at + 1, at + idLength);
  const id = rest.reduce((value, byte) => value * 256 + byte, 0);
  if (first !== 0x80 || id > largestId) throw new RangeError('a tar header has an owner that is not an id');
  return id;
}

/** 2^32-1 means "unchanged" to chown(2). */
const largestId = 2 ** 32 - 2;

function parseOctal(field: string): number {
  const text = field.replace(/\0.*$/s, '').trim();
  if (!/^[0-7]*$/.test(text)) throw new RangeError('a tar header has a number that is not octal');
  return Number.parseInt(text || '0', 8);
}

function encodePax(member: TarMember, records: [string, string][]): Buffer {
  const body = records.map(([key, value]) => paxRecord(key, value)).join('');
  const header = encodeBlock(
    { ...member, name: '', size: body.length },
    { prefix: '', name: `PaxHeaders/${member.name.slice(-80).replaceAll('/', '_')}` },
    'x',
  );
  return Buffer.concat([header, Buffer.from(body, 'latin1'), Buffer.alloc(tarPadding(body.length))]);
}

/** `<length> <key>=<value>\n`; the length includes its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

function sumOf(block: Buffer): number {
  let sum = 0;
  for (let at = 0; at < tarBlock; at += 1) sum += block[at] ?? 0;
  return sum;
}

/** A member's header, and the position of its data. */
export interface ParsedHeader {
  /** undefined: the end of the archive. */
  member: TarMember | undefined;
  /** The offset of the member's data in the given bytes. */
  dataAt: number;
}

/**
 * Parses the header at `from`.
 * @throws RangeError where there is no valid header, or a type that Holdfast does not write
 */
export function parseHeader(bytes: Buffer, from = 0): ParsedHeader {
  let at = from;
  const pax = new Map<string, string>();
  for (;;) {
    const block = bytes.subarray(at, at + tarBlock);
    if (block.length < tarBlock) throw new RangeError('a tar header is cut off');
    at += tarBlock;
    if (block.every((byte) => byte === 0)) return { member: undefined, dataAt: at };
    const { member, type } = parseBlock(block);
    if (type === 'x') {
      parsePax(bytes.subarray(at, at + member.size), pax);
      at += member.size + tarPadding(member.size);
    } else if (type === '0' || type === '5') {
      return {
        member: {
          ...member,
          name: pax.get('path') ?? member.name,
          size: sizeIn(pax) ?? member.size,
        },
        dataAt: at,
      };
    } else {
      throw new RangeError(`a tar member has the type "${type}"`);
    }
  }
}

function parseBlock(block: Buffer): { member: TarMember; type: string } {
  const text = (at: number, length: number) => {
    const field = block.subarray(at, at + length);
    const end = field.indexOf(0);
    return field.subarray(0, end === -1 ? length : end).toString('latin1');
  };
  const octal = (at: number, length: number) => parseOctal(text(at, length));
  const zeroed = Buffer.from(block);
  zeroed.write('        ', 148, 'latin1');
  // A checksum field that is not a number counts as a wrong checksum, too.
  if (Number.parseInt(text(148, 8).trim(), 8) !== sumOf(zeroed))
    throw new RangeError('a tar header has a wrong checksum');
  const prefix = text(345, longestPrefix);
  return {
    type: text(156, 1),
    member: {
      name: prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`,
      size: octal(124, 12),
      mode: octal(100, 8),
      mtime: octal(136, 12),
      uid: readId(block, 108),
      gid: readId(block, 116),
      user: text(265, 32),
      group: text(297, 32),
    },
  };
}

/**
 * Returns the size in a pax header; undefined where there is none. A negative size is refused: the next header would
 * be before this one, and reading would never end.
 * @throws RangeError where the size is not valid
 */
function sizeIn(pax: ReadonlyMap<string, string>): number | undefined {
  const text = pax.get('size');
  if (text === undefined) return undefined;
  const size = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(size))
    throw new RangeError('a pax header has a size that is not a number');
  return size;
}

function parsePax(body: Buffer, records: Map<string, string>): void {
  for (let at = 0; at < body.length;) {
    const length = Number.parseInt(body.subarray(at, at + 20).toString('latin1'), 10);
    if (!(length > 0) || at + length > body.length) throw new RangeError('a pax header is malformed');
    const record = body.subarray(at, at + length - 1).toString('latin1');
    const [, key = '', value = ''] = /^\d+ ([^=]+)=([\s\S]*)$/.exec(record) ?? [];
    records.set(key, value);
    at += length;
  }
}
