/**
 * global/pg_control, as far as Holdfast reads it (src/include/catalog/pg_control.h: ControlFileData).
 * Little-endian, as on every platform that PostgreSQL's packages are built for.
 */
import { crc32c } from './crc32c.ts';
import { readRequiredParameters, type RequiredParameters } from './required-parameters.ts';

export interface ControlFile {
  /** A 64-bit number as text, as the server shows it. */
  systemIdentifier: string;
  /** `in production`, `in archive recovery`, … as pg_controldata says it. */
  state: string;
  /** Where the latest checkpoint's record is, and where replay from it would begin. */
  checkpointLsn: bigint;
  redoLsn: bigint;
  timeline: number;
  /** Part of the name of this major's directory in a tablespace. */
  catalogVersion: number;
  /** What the server had: replay needs as much. */
  required: RequiredParameters;
  /** Bytes. */
  blockSize: number;
  /** Blocks in one file of a relation, until the next begins: 131072 where nobody chose otherwise. */
  relationSegmentBlocks: number;
  /** Bytes. */
  walSegmentSize: number;
  /** Whether data pages have checksums. */
  checksums: boolean;
}

/** The bytes of the file that a server reads; the rest is zero (PG_CONTROL_FILE_SIZE). */
export const controlFileSize = 8192;

/**
 * Where the CRC is, by pg_control_version: it covers everything before it.
 * 12 has 1201, 13 to 16 have 1300, 17 has 1700, 18 has 1800.
 */
const crcOffsets: Record<number, number> = { 1201: 288, 1300: 288, 1700: 288, 1800: 292 };

const states = [
  'starting up',
  'shut down',
  'shut down in recovery',
  'shutting down',
  'in crash recovery',
  'in archive recovery',
  'in production',
];

/** @throws RangeError saying what is wrong with it */
export function parseControlFile(bytes: Buffer): ControlFile {
  if (bytes.length < 296) throw new RangeError(`it has only ${bytes.length} bytes`);
  const version = bytes.readUInt32LE(8);
  const crcOffset = crcOffsets[version];
  if (crcOffset === undefined) {
    throw new RangeError(`it has the version ${version}, which belongs to no PostgreSQL from 12 to 18`);
  }
  if (crc32c(bytes.subarray(0, crcOffset)) !== bytes.readUInt32LE(crcOffset)) {
    throw new RangeError('its checksum is wrong: it was copied while it was being written, or is damaged');
  }
  return {
    systemIdentifier: bytes.readBigUInt64LE(0).toString(),
    state: states[bytes.readUInt32LE(16)] ?? 'unknown',
    checkpointLsn: bytes.readBigUInt64LE(32),
    redoLsn: bytes.readBigUInt64LE(40),
    timeline: bytes.readUInt32LE(48),
    catalogVersion: bytes.readUInt32LE(12),
    required: readRequiredParameters(bytes, 180),
    blockSize: bytes.readUInt32LE(216),
    relationSegmentBlocks: bytes.readUInt32LE(220),
    walSegmentSize: bytes.readUInt32LE(228),
    checksums: bytes.readUInt32LE(252) !== 0,
  };
}
