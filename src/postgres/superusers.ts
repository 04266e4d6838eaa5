/**
 * The superusers of a cluster, from its files: whoever is to connect to a restored cluster cannot ask it first. Only
 * the fixed columns in front are read (src/include/catalog/pg_authid.h, src/backend/utils/cache/relmapper.c).
 */

const mapMagic = 0x592717;
const authid = 1260;
const bootstrapSuperuser = 10;

/** The name of the file in global/ that holds pg_authid. `map`: global/pg_filenode.map. @throws RangeError */
export function authidFile(map: Buffer): string {
  if (map.length < 8 || map.readInt32LE(0) !== mapMagic) throw new RangeError('it is no map of relations');
  const mappings = map.readInt32LE(4);
  for (let number = 0; number < mappings && 16 + number * 8 <= map.length; number += 1) {
    if (map.readUInt32LE(8 + number * 8) === authid) return String(map.readUInt32LE(12 + number * 8));
  }
  throw new RangeError('it does not have pg_authid');
}

/** The names of those who may log in, the one that initdb made first; former names of theirs may be among them. */
export function superusersIn(relation: Buffer, blockSize: number): string[] {
  const found: { oid: number; name: string }[] = [];
  for (let page = 0; page + blockSize <= relation.length; page += blockSize)
    found.push(...superusersOn(relation.subarray(page, page + blockSize)));
  const names = found
    .toSorted((a, b) => Number(b.oid === bootstrapSuperuser) - Number(a.oid === bootstrapSuperuser))
    .map(({ name }) => name);
  return [...new Set(names)];
}

const pageHeader = 24;
const normal = 1;
const nameBytes = 64;

function superusersOn(page: Buffer): { oid: number; name: string }[] {
  const found: { oid: number; name: string }[] = [];
  const lower = Math.min(page.readUInt16LE(12), page.length);
  for (let at = pageHeader; at + 4 <= lower; at += 4) {
    const pointer = page.readUInt32LE(at);
    const offset = pointer & 0x7fff;
    if (((pointer >>> 15) & 3) !== normal || offset + pageHeader > page.length) continue;
    const row = offset + page.readUInt8(offset + 22);
    if (row + 4 + nameBytes + 7 > page.length) continue;
    const flags = row + 4 + nameBytes;
    const [isSuperuser, mayLogIn] = [page.readUInt8(flags), page.readUInt8(flags + 4)];
    const name = page.subarray(row + 4, row + 4 + nameBytes);
    const end = name.indexOf(0);
    if (isSuperuser === 1 && mayLogIn === 1 && end > 0)
      found.push({ oid: page.readUInt32LE(row), name: name.subarray(0, end).toString() });
  }
  return found;
}
