/**
 * Parses and formats tablespace_map: one line per tablespace, with OID and path. A newline or carriage return in the
 * path is preceded by a backslash. From PostgreSQL 14 on, a backslash is, too
 * (src/backend/access/transam/xlogrecovery.c: read_tablespace_map).
 */

/** A line of tablespace_map. */
export interface MappedTablespace {
  oid: string;
  /** The path of the tablespace. Bytes, because a path need not be valid UTF-8. */
  location: Buffer;
}

/**
 * Parses tablespace_map. `major`: the major version of the server that wrote the file.
 * @throws RangeError where a line is malformed
 */
export function parseTablespaceMap(bytes: Buffer, major: number): MappedTablespace[] {
  const tablespaces: MappedTablespace[] = [];
  let line: number[] = [];
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    const next = bytes[at + 1];
    if (byte === backslash && (endsLine(next) || (next === backslash && major >= 14))) {
      line.push(next ?? 0);
      at += 1;
    } else if (!endsLine(byte)) {
      line.push(byte);
    } else {
      if (line.length > 0) tablespaces.push(parseLine(Buffer.from(line)));
      line = [];
    }
  }
  if (line.length > 0)
    throw new RangeError(`the last line of tablespace_map has no end${major < 14 ? endlessBefore14 : ''}`);
  return tablespaces;
}

const backslash = 0x5c;

const endlessBefore14 =
  ': before 14 PostgreSQL itself cannot read the path of a tablespace that ends in a backslash, so move that tablespace';

function endsLine(byte: number | undefined): boolean {
  return byte === 0x0a || byte === 0x0d;
}

function parseLine(line: Buffer): MappedTablespace {
  const space = line.indexOf(' ');
  const oid = line.subarray(0, Math.max(0, space)).toString('latin1');
  if (!/^\d+$/.test(oid) || space + 1 === line.length)
    throw new RangeError(`the line "${line.toString()}" of tablespace_map is malformed`);
  return { oid, location: line.subarray(space + 1) };
}

/**
 * Formats tablespace_map as a server of that major version does (src/backend/backup/basebackup.c and its
 * predecessors).
 */
export function formatTablespaceMap(tablespaces: readonly MappedTablespace[], major: number): Buffer {
  const bytes = tablespaces.flatMap(({ oid, location }) => [
    ...Buffer.from(`${oid} `),
    ...[...location].flatMap((byte) =>
      endsLine(byte) || (byte === backslash && major >= 14) ? [backslash, byte] : [byte],
    ),
    0x0a,
  ]);
  return Buffer.from(bytes);
}
