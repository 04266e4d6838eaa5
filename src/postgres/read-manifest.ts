/**
 * Reads backup_manifest (the PostgreSQL manual, "Backup Manifest Format"). Its last line is a checksum of all lines
 * before it; versions 1 and 2 differ in System-Identifier only.
 */
import { createHash } from 'node:crypto';

export interface ManifestFile {
  size: number;
  /** undefined: it has none, or one of another algorithm. */
  crc32c: number | undefined;
}

export interface Manifest {
  /** From version 2 on. */
  systemIdentifier: string | undefined;
  /** By path, one character a byte; tablespaces are below pg_tblspc/<oid>. */
  files: Map<string, ManifestFile>;
  walRanges: { timeline: number; start: string; end: string }[];
}

interface Raw {
  'PostgreSQL-Backup-Manifest-Version'?: unknown;
  Files?: {
    Path?: string;
    'Encoded-Path'?: string;
    Size: number;
    'Checksum-Algorithm'?: string;
    Checksum?: string;
  }[];
  'WAL-Ranges'?: { Timeline: number; 'Start-LSN': string; 'End-LSN': string }[];
}

/** @throws RangeError saying what is wrong with it */
export function parseManifest(bytes: Buffer): Manifest {
  checkOwnChecksum(bytes);
  const text = bytes.toString('utf8');
  const raw = JSON.parse(text) as Raw;
  const version = raw['PostgreSQL-Backup-Manifest-Version'];
  if (version !== 1 && version !== 2) throw new RangeError(`it is of version ${String(version)}`);
  const files = new Map<string, ManifestFile>();
  for (const file of raw.Files ?? []) {
    const path = pathOf(file).toString('latin1');
    if (files.has(path)) throw new RangeError(`it lists "${path}" twice`);
    const known = file['Checksum-Algorithm'] === 'CRC32C' && file.Checksum !== undefined;
    files.set(path, {
      size: file.Size,
      crc32c: known ? Buffer.from(file.Checksum ?? '', 'hex').readUInt32LE(0) : undefined,
    });
  }
  return {
    // As text: the number has more digits than a double.
    systemIdentifier: /"System-Identifier": ?(\d+)/.exec(text.slice(0, 200))?.[1],
    files,
    walRanges: (raw['WAL-Ranges'] ?? []).map((range) => ({
      timeline: range.Timeline,
      start: range['Start-LSN'],
      end: range['End-LSN'],
    })),
  };
}

function pathOf(file: { Path?: string; 'Encoded-Path'?: string }): Buffer {
  return file.Path === undefined ? Buffer.from(file['Encoded-Path'] ?? '', 'hex') : Buffer.from(file.Path);
}

function checkOwnChecksum(bytes: Buffer): void {
  const line = Buffer.from('"Manifest-Checksum"');
  const at = bytes.lastIndexOf(line);
  if (at < 1 || bytes[at - 1] !== 0x0a) throw new RangeError('its last line with the checksum is missing');
  const stated = /^"Manifest-Checksum": ?"([0-9a-f]{64})"\}\n?$/.exec(
    bytes.subarray(at).toString('latin1'),
  )?.[1];
  const actual = createHash('sha256').update(bytes.subarray(0, at)).digest('hex');
  if (stated !== actual) throw new RangeError('its own checksum is wrong: it is damaged');
}
