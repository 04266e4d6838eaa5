/**
 * Parses the fields of global/pg_control that Holdfast needs (src/include/catalog/pg_control.h: ControlFileData).
 * Little-endian, as on all platforms for which PostgreSQL packages exist.
 */
import { crc32c } from './crc32c.ts';
import { impossibleGeometry } from './impossible-geometry.ts';
import { readRequiredParameters, type RequiredParameters } from './required-parameters.ts';
import { UnknownFormatError } from './unknown-format-error.ts';

/** The parsed fields. */
export interface ControlFile {
  /** A 64-bit number as text, in the form in which the server shows it. */
  systemIdentifier: string;
  /** The text that pg_controldata prints: `in production`, `in archive recovery`, … */
  state: string;
  /** When the server last wrote the file, in seconds since 1970. */
  modifiedAt: number;
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
  /** Whether the pages of the cluster have checksums now, whatever initdb chose. */
  checksums: boolean;
}

/** The size of the file in bytes; the fields are followed by zeros (PG_CONTROL_FILE_SIZE). */
export const controlFileSize = 8192;

/** Where pg_control_version is in all versions. */
const versionOffset = 8;

/** Offsets of the fields in bytes. */
interface ControlFileLayout {
  systemIdentifier: number;
  catalogVersion: number;
  state: number;
  modifiedAt: number;
  checkpointLsn: number;
  redoLsn: number;
  timeline: number;
  /** The first of five consecutive settings. */
  required: number;
  blockSize: number;
  relationSegmentBlocks: number;
  walSegmentSize: number;
  /** data_checksum_version, which pg_checksums changes. From 19 on, what initdb chose is another field before it. */
  checksums: number;
  /** The checksum of all bytes before it. */
  crc: number;
}

const since12: ControlFileLayout = {
  systemIdentifier: 0,
  catalogVersion: 12,
  state: 16,
  modifiedAt: 24,
  checkpointLsn: 32,
  redoLsn: 40,
  timeline: 48,
  required: 180,
  blockSize: 216,
  relationSegmentBlocks: 220,
  walSegmentSize: 228,
  checksums: 252,
  crc: 288,
};

/** 19 has wider multixact offsets in the checkpoint, and the size of SLRU segments behind that of relations. */
const since19: ControlFileLayout = {
  ...since12,
  required: 188,
  blockSize: 224,
  relationSegmentBlocks: 228,
  walSegmentSize: 240,
  checksums: 268,
  crc: 308,
};

/** The layout of each pg_control_version. */
const layouts: Readonly<Record<number, ControlFileLayout>> = {
  1201: since12, // PostgreSQL 12
  1300: since12, // 13 to 16
  1700: since12, // 17
  1800: { ...since12, crc: 292 }, // 18 has the signedness of char before the CRC
  1905: since19, // 19
};

/** Bytes up to the end of the last CRC. */
const longestLayout = Math.max(...Object.values(layouts).map(({ crc }) => crc + 4));

const states = [
  'starting up',
  'shut down',
  'shut down in recovery',
  'shutting down',
  'in crash recovery',
  'in archive recovery',
  'in production',
];

/**
 * Parses pg_control.
 * @throws RangeError with the problem; UnknownFormatError where no supported PostgreSQL has this pg_control_version
 */
export function parseControlFile(bytes: Buffer): ControlFile {
  if (bytes.length < longestLayout) throw new RangeError(`it has only ${bytes.length} bytes`);
  const at = layoutOf(bytes);
  if (crc32c(bytes.subarray(0, at.crc)) !== bytes.readUInt32LE(at.crc)) {
    throw new RangeError('its checksum is wrong: it was copied while it was being written, or is damaged');
  }
  const geometry = {
    blockSize: bytes.readUInt32LE(at.blockSize),
    relationSegmentBlocks: bytes.readUInt32LE(at.relationSegmentBlocks),
  };
  const impossible = impossibleGeometry(geometry);
  if (impossible !== undefined) throw new RangeError(`it ${impossible}`);
  return {
    ...geometry,
    systemIdentifier: bytes.readBigUInt64LE(at.systemIdentifier).toString(),
    state: states[bytes.readUInt32LE(at.state)] ?? 'unknown',
    modifiedAt: Number(bytes.readBigInt64LE(at.modifiedAt)),
    checkpointLsn: bytes.readBigUInt64LE(at.checkpointLsn),
    redoLsn: bytes.readBigUInt64LE(at.redoLsn),
    timeline: bytes.readUInt32LE(at.timeline),
    catalogVersion: bytes.readUInt32LE(at.catalogVersion),
    required: readRequiredParameters(bytes, at.required),
    walSegmentSize: bytes.readUInt32LE(at.walSegmentSize),
    checksums: hasChecksums(bytes.readUInt32LE(at.checksums)),
  };
}

function layoutOf(bytes: Buffer): ControlFileLayout {
  const version = bytes.readUInt32LE(versionOffset);
  const layout = layouts[version];
  if (layout === undefined) throw UnknownFormatError.of(`the version ${version}`);
  return layout;
}

/** data_checksum_version: 0, or PG_DATA_CHECKSUM_VERSION (src/include/storage/bufpage.h). */
function hasChecksums(version: number): boolean {
  if (version > 1) throw UnknownFormatError.of(`pages with checksums of version ${version}`);
  return version === 1;
}
