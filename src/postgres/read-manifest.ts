/**
 * Parses backup_manifest (the PostgreSQL manual, "Backup Manifest Format"). The last line has a checksum of all
 * preceding lines. Versions 1 and 2 differ only in System-Identifier. Each file has its own line, as in manifests
 * written by the server (src/backend/backup/backup_manifest.c); the manifest is parsed line by line, because there
 * may be millions of files.
 */
import { createHash } from 'node:crypto';
import { ManifestFiles } from './manifest-files.ts';

/** The content of a manifest. */
export interface Manifest {
  /** undefined in version 1. */
  systemIdentifier: string | undefined;
  files: ManifestFiles;
  walRanges: { timeline: number; start: string; end: string }[];
}

interface Raw {
  'PostgreSQL-Backup-Manifest-Version'?: unknown;
  Files?: unknown;
  'WAL-Ranges'?: { Timeline: number; 'Start-LSN': string; 'End-LSN': string }[];
}

interface RawFile {
  Path?: string;
  'Encoded-Path'?: string;
  Size: number;
  'Checksum-Algorithm'?: string;
  Checksum?: string;
}

/** Parses a manifest. @throws RangeError with the problem */
export function parseManifest(bytes: Buffer): Manifest {
  checkOwnChecksum(bytes);
  const files = new ManifestFiles();
  const others: string[] = [];
  let isFile = false;
  for (const line of linesOf(bytes)) {
    if (isFile && line.startsWith(']')) isFile = false;
    if (isFile) addFile(files, line);
    else others.push(line);
    if (line === '"Files": [') isFile = true;
  }
  const text = others.join('\n');
  const raw = JSON.parse(text) as Raw;
  const version = raw['PostgreSQL-Backup-Manifest-Version'];
  if (version !== 1 && version !== 2) throw new RangeError(`it is of version ${String(version)}`);
  if (!Array.isArray(raw.Files) || raw.Files.length > 0) throw new RangeError('it has no list of files');
  return {
    // As text: the number has more digits than a double can represent.
    systemIdentifier: /"System-Identifier": ?(\d+)/.exec(text)?.[1],
    files,
    walRanges: (raw['WAL-Ranges'] ?? []).map((range) => ({
      timeline: range.Timeline,
      start: range['Start-LSN'],
      end: range['End-LSN'],
    })),
  };
}

function* linesOf(bytes: Buffer): Generator<string> {
  for (let at = 0; at < bytes.length;) {
    const found = bytes.indexOf(0x0a, at);
    const end = found === -1 ? bytes.length : found;
    yield bytes.toString('utf8', at, end);
    at = end + 1;
  }
}

function addFile(files: ManifestFiles, line: string): void {
  const file = JSON.parse(line.endsWith(',') ? line.slice(0, -1) : line) as RawFile;
  const path = pathOf(file).toString('latin1');
  const known = file['Checksum-Algorithm'] === 'CRC32C' && file.Checksum !== undefined;
  files.add(path, {
    size: file.Size,
    crc32c: known ? Buffer.from(file.Checksum ?? '', 'hex').readUInt32LE(0) : undefined,
  });
}

function pathOf(file: RawFile): Buffer {
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
