/**
 * The tablespace_map file: a line per tablespace, its OID and where it was, with a backslash before a backslash or a
 * line's end in the path (src/backend/access/transam/xlogrecovery.c: read_tablespace_map).
 */

export interface MappedTablespace {
  oid: string;
  /** A path is bytes: not every one is text. */
  location: Buffer;
}

/** @throws RangeError where a line has not the form of one */
export function parseTablespaceMap(bytes: Buffer): MappedTablespace[] {
  const tablespaces: MappedTablespace[] = [];
  let line: number[] = [];
  let escaped = false;
  for (const byte of bytes) {
    const endsLine = byte === 0x0a || byte === 0x0d;
    if (byte === 0x5c && !escaped) {
      escaped = true;
    } else if (endsLine && !escaped) {
      if (line.length > 0) tablespaces.push(parseLine(Buffer.from(line)));
      line = [];
    } else {
      line.push(byte);
      escaped = false;
    }
  }
  if (line.length > 0) throw new RangeError('its last line has no end');
  return tablespaces;
}

function parseLine(line: Buffer): MappedTablespace {
  const space = line.indexOf(' ');
  const oid = line.subarray(0, Math.max(0, space)).toString('latin1');
  if (!/^\d+$/.test(oid) || space + 1 === line.length)
    throw new RangeError(`its line "${line.toString()}" is malformed`);
  return { oid, location: line.subarray(space + 1) };
}
