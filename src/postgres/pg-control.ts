/**
 * Parses the fields of global/pg_control that Holdfast needs (src/include/catalog/pg_control.h: ControlFileData).
 * Little-endian, as on all platforms for which PostgreSQL packages exist.
 */
import { crc32c } from './crc32c.ts';
import { readRequiredParameters, type RequiredParameters } from './required-parameters.ts';

/** The parsed fields. */
export interface ControlFile {
  /** A 64-bit number as text, in the form in which the server shows it. */
  systemIdentifier: string;
  /** The text that pg_controldata prints: `in production`, `in archive recovery`, … */
  state: string;
  /** The LSN of the latest checkpoint's record, and the LSN at which replay from this checkpoint begins. */
  checkpointLsn: bigint;
  redoLsn: bigint;
  /** The timeline of the latest checkpoint. */
  timeline: number;
  /** Part of the name of the directory of this major version in a tablespace. */
  catalogVersion: number;
  /** The settings of the server; replay needs values at least as large. */
  required: RequiredParameters;
  /** Bytes. */
  blockSize: number;
  /** Blocks per file of a relation; 131072 by default. */
  relationSegmentBlocks: number;
  /** Bytes. */
  walSegmentSize: number;
  /** Whether the cluster has data checksums. */
  checksums: boolean;
}

/** The size of the file in bytes; the fields are followed by zeros (PG_CONTROL_FILE_SIZE). */
export const controlFileSize = 8192;

/**
 * The offset of the CRC by pg_control_version; the CRC covers all bytes before it. PostgreSQL 12 has version 1201, 13
 * to 16 have 1300, 17 has 1700, 18 has 1800.
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

/** Parses pg_control. @throws RangeError with the problem */
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
