/**
 * Formats backup_manifest as PostgreSQL does (manual, chapter Backup Manifest Format;
 * src/backend/backup/backup_manifest.c), piece by piece, because a manifest may name millions of files. Version 1 up
 * to PostgreSQL 16, version 2 from 17 on.
 */
import type { BackupStart, BackupStop } from './backup-facts.ts';

/** A file in the manifest. */
export interface ManifestFile {
  /** Relative to the data directory, one character per byte (latin1). */
  path: string;
  /** Bytes. */
  size: number;
  /** Seconds since 1970. */
  mtime: number;
  crc32c: number;
}

/** The WAL that the backup needs. */
export type ManifestWal = Pick<BackupStart, 'timeline' | 'startLsn'> & Pick<BackupStop, 'stopLsn'>;

/** Formats the beginning of the manifest, up to the list of files. `major`: the server's major version. */
export function manifestHead(major: number, systemIdentifier: string): string {
  const version = major >= 17 ? 2 : 1;
  const identifier = version >= 2 ? `"System-Identifier": ${systemIdentifier},\n` : '';
  return `{ "PostgreSQL-Backup-Manifest-Version": ${version},\n${identifier}"Files": [`;
}

/** Formats the entry of a file. `isFirst`: whether the entry is the first of the list. */
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

/** Whether a line of the manifest is the entry of a file whose path begins with `path` (ASCII). */
export function namesFileBelow(path: string, line: string): boolean {
  const encoded = Buffer.from(path, 'latin1').toString('hex');
  return line.startsWith(`{ "Path": "${path}`) || line.startsWith(`{ "Encoded-Path": "${encoded}`);
}

/** Formats the part between the list of files and the manifest's checksum. */
export function manifestTail({ timeline, startLsn, stopLsn }: ManifestWal): string {
  return [
    '\n],',
    '"WAL-Ranges": [',
    `{ "Timeline": ${timeline}, "Start-LSN": "${startLsn}", "End-LSN": "${stopLsn}" }`,
    '],\n',
  ].join('\n');
}

/** Formats the end of the manifest. `sha256`: the checksum of all bytes before the last line, in hexadecimal. */
export function manifestEnd(sha256: string): string {
  return `"Manifest-Checksum": "${sha256}"}\n`;
}

/** A path that is not UTF-8 is encoded in hexadecimal. */
function pathField(path: string): string {
  const bytes = Buffer.from(path, 'latin1');
  const text = bytes.toString('utf8');
  if (!Buffer.from(text).equals(bytes)) return `"Encoded-Path": "${bytes.toString('hex')}"`;
  return `"Path": ${JSON.stringify(text)}`;
}

/** Formats a CRC-32C as the server does: the bytes in memory order, the lowest first. */
function checksumText(crc32c: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(crc32c);
  return bytes.toString('hex');
}
