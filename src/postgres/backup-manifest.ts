/**
 * backup_manifest, in PostgreSQL's own format (manual, chapter Backup Manifest Format; src/backend/backup/
 * backup_manifest.c), piece by piece: it may name millions of files. Version 1 up to 16, version 2 from 17 on.
 */

export interface ManifestFile {
  /** Relative to the data directory, one character a byte. */
  path: string;
  /** Bytes. */
  size: number;
  /** Seconds since 1970. */
  mtime: number;
  crc32c: number;
}

export interface ManifestWal {
  timeline: number;
  startLsn: string;
  stopLsn: string;
}

export function manifestHead(major: number, systemIdentifier: string): string {
  const version = major >= 17 ? 2 : 1;
  const identifier = version >= 2 ? `"System-Identifier": ${systemIdentifier},\n` : '';
  return `{ "PostgreSQL-Backup-Manifest-Version": ${version},\n${identifier}"Files": [`;
}

/** In the list of files, the first or another one. */
export function manifestEntry(file: ManifestFile, isFirst: boolean): string {
  const fields = [
    pathField(file.path),
    `"Size": ${file.size}`,
    `"Last-Modified": "${new Date(Math.floor(file.mtime) * 1000).toISOString().replace('T', ' ').slice(0, 19)} GMT"`,
    '"Checksum-Algorithm": "CRC32C"',
    `"Checksum": "${checksumText(file.crc32c)}"`,
  ];
  return `${isFirst ? '' : ','}\n{ ${fields.join(', ')} }`;
}

/** Whether a line of the manifest is the entry of a file whose path begins with that, in ASCII. */
export function namesFileBelow(path: string, line: string): boolean {
  const encoded = Buffer.from(path, 'latin1').toString('hex');
  return line.startsWith(`{ "Path": "${path}`) || line.startsWith(`{ "Encoded-Path": "${encoded}`);
}

/** What follows the files, up to the manifest's own checksum. */
export function manifestTail({ timeline, startLsn, stopLsn }: ManifestWal): string {
  return [
    '\n],',
    '"WAL-Ranges": [',
    `{ "Timeline": ${timeline}, "Start-LSN": "${startLsn}", "End-LSN": "${stopLsn}" }`,
    '],\n',
  ].join('\n');
}

/** `sha256`: in hexadecimal, of everything in front. */
export function manifestEnd(sha256: string): string {
  return `"Manifest-Checksum": "${sha256}"}\n`;
}

/** A name that is not UTF-8 is given in hexadecimal. */
function pathField(path: string): string {
  const bytes = Buffer.from(path, 'latin1');
  const text = bytes.toString('utf8');
  if (!Buffer.from(text).equals(bytes)) return `"Encoded-Path": "${bytes.toString('hex')}"`;
  return `"Path": ${JSON.stringify(text)}`;
}

/** As the server writes a CRC-32C: its bytes as they lie in memory, the lowest first. */
function checksumText(crc32c: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(crc32c);
  return bytes.toString('hex');
}
