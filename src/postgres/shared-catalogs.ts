/**
 * Reads the superusers and databases of a cluster from its files, because the names are needed to connect to a
 * restored cluster. Only the fixed columns at the beginning of the rows are read (src/include/catalog/pg_authid.h,
 * pg_database.h, src/backend/utils/cache/relmapper.c).
 */

const mapMagic = 0x592717;
const oids = { pg_authid: 1260, pg_database: 1262 };
const bootstrapSuperuser = 10;

/**
 * Returns the name of the catalog's file in global/. `map`: the content of global/pg_filenode.map.
 * @throws RangeError where the map is not valid
 */
export function sharedFile(map: Buffer, catalog: keyof typeof oids): string {
  if (map.length < 8 || map.readInt32LE(0) !== mapMagic) throw new RangeError('it is not a relation map');
  const mappings = map.readInt32LE(4);
  for (let number = 0; number < mappings && 16 + number * 8 <= map.length; number += 1) {
    if (map.readUInt32LE(8 + number * 8) === oids[catalog]) return String(map.readUInt32LE(12 + number * 8));
  }
  throw new RangeError(`it does not have ${catalog}`);
}

/**
 * Returns the names of the superusers with LOGIN, the bootstrap superuser first. Names of old row versions may be
 * included.
 */
export function superusersIn(authid: Buffer, blockSize: number): string[] {
  const names = rowsIn(authid, blockSize)
    .filter(isSuperuser)
    .toSorted((a, b) => Number(isBootstrap(b)) - Number(isBootstrap(a)))
    .map(nameOf);
  return [...new Set(names)];
}

/**
 * Returns the names of all databases, unsorted. Names of old row versions, and of databases that do not allow
 * connections, may be included.
 */
export function databasesIn(database: Buffer, blockSize: number): string[] {
  return [...new Set(rowsIn(database, blockSize).map(nameOf))];
}

function isSuperuser(row: Buffer): boolean {
  const flags = 4 + nameBytes;
  const [superuser, mayLogIn] = [row.readUInt8(flags), row.readUInt8(flags + 4)];
  return superuser === 1 && mayLogIn === 1;
}

function isBootstrap(row: Buffer): boolean {
  return row.readUInt32LE(0) === bootstrapSuperuser;
}

/** In both catalogs, the OID comes first, and then the name. */
function nameOf(row: Buffer): string {
  const name = row.subarray(4, 4 + nameBytes);
  return name.subarray(0, name.indexOf(0)).toString();
}

function rowsIn(relation: Buffer, blockSize: number): Buffer[] {
  const found: Buffer[] = [];
  for (let page = 0; page + blockSize <= relation.length; page += blockSize)
    found.push(...rowsOn(relation.subarray(page, page + blockSize)));
  return found;
}

const pageHeader = 24;
const normal = 1;
const nameBytes = 64;

/** Returns the rows on a page. Each buffer extends to the end of the page, beyond the end of the row. */
function rowsOn(page: Buffer): Buffer[] {
  const found: Buffer[] = [];
  const lower = Math.min(page.readUInt16LE(12), page.length);
  for (let at = pageHeader; at + 4 <= lower; at += 4) {
    const pointer = page.readUInt32LE(at);
    const offset = pointer & 0x7fff;
    if (((pointer >>> 15) & 3) !== normal || offset + pageHeader > page.length) continue;
    const row = page.subarray(offset + page.readUInt8(offset + 22));
    if (row.length >= 4 + nameBytes + 7 && row.subarray(4, 4 + nameBytes).indexOf(0) > 0) found.push(row);
  }
  return found;
}
