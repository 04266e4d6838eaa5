/**
 * Parses the few types of WAL records that announce what recovery will do, or where recovery can end. Of all other
 * records, only the length matters. These records refer to no blocks, so their data follows the header
 * (src/include/access/xlogrecord.h).
 */
import { readRequiredParameters, type RequiredParameters } from './required-parameters.ts';
import { recordHeaderBytes, type WalRecord } from './wal-records.ts';

/**
 * The bytes of a record that have to be read. A path is shorter than MAXPGPATH, so all of these records are shorter
 * than this.
 */
export const recoveryRecordBytes = 1200;

// The values of src/include/access/rmgrlist.h.
const xlogManager = 0;
const transactionManager = 1;
export const tablespaceManager = 5;

// The values of src/include/catalog/pg_control.h.
const shutdownCheckpoint = 0x00;
const onlineCheckpoint = 0x10;
const parameterChange = 0x60;
const restorePoint = 0x70;
const endOfRecovery = 0x90;

// src/include/access/xact.h: XLOG_XACT_OPMASK, and the values of the masked bits.
const transactionMask = 0x70;
const commit = 0x00;
const abort = 0x20;
const commitPrepared = 0x30;
const abortPrepared = 0x40;

const xidBlock = 252;
const originBlock = 253;
const longDataBlock = 254;
const shortDataBlock = 255;

/** The block ids that may follow the header of such a record. */
export const dataMarks = [xidBlock, originBlock, longDataBlock, shortDataBlock];

/** A CREATE TABLESPACE in the WAL. */
export interface TablespaceCreation {
  oid: string;
  /** The path of the tablespace, one character per byte (latin1). */
  location: string;
}

/**
 * Parses xl_tblspc_create_rec (src/include/commands/tablespace.h). Returns undefined for other records, and for an
 * in-place tablespace below the data directory.
 */
export function createdTablespace(record: WalRecord): TablespaceCreation | undefined {
  if (record.manager !== tablespaceManager || record.info !== 0x00) return undefined;
  const data = dataOf(record);
  const location = data.toString('latin1', 4, data.indexOf(0, 4));
  return location === '' ? undefined : { oid: String(data.readUInt32LE(0)), location };
}

/**
 * Returns the OID of the dropped tablespace (src/include/commands/tablespace.h: xl_tblspc_drop_rec); undefined for
 * other records.
 */
export function droppedTablespace(record: WalRecord): string | undefined {
  if (record.manager !== tablespaceManager || record.info !== 0x10) return undefined;
  return String(dataOf(record).readUInt32LE(0));
}

/** Returns the settings that a standby needs from this record on; undefined for other records. */
export function changedParameters(record: WalRecord): RequiredParameters | undefined {
  if (record.manager !== xlogManager || record.info !== parameterChange) return undefined;
  return readRequiredParameters(dataOf(record), 0);
}

/** Returns the name of a restore point, one character per byte (latin1); undefined for other records. */
export function restorePointName(record: WalRecord): string | undefined {
  if (record.manager !== xlogManager || record.info !== restorePoint) return undefined;
  const data = dataOf(record);
  return data.toString('latin1', 8, data.indexOf(0, 8));
}

/** A commit or abort in the WAL. */
export interface EndedTransaction {
  /** The 32-bit transaction id; undefined for a prepared transaction whose record is too long to tell. */
  xid: number | undefined;
  /** Microseconds since 1970. */
  at: bigint;
}

/**
 * Parses the end of a transaction; undefined for other records. Recovery to a time or a transaction can stop at these
 * records.
 */
export function endedTransaction(record: WalRecord): EndedTransaction | undefined {
  if (record.manager !== transactionManager) return undefined;
  const kind = record.info & transactionMask;
  if (kind !== commit && kind !== abort && kind !== commitPrepared && kind !== abortPrepared)
    return undefined;
  const isPrepared = kind === commitPrepared || kind === abortPrepared;
  const data = dataOf(record);
  return {
    xid: isPrepared ? preparedXid(data, record) : record.bytes.readUInt32LE(4),
    at: data.readBigInt64LE(0) + postgresEpoch,
  };
}

// src/include/access/xact.h: the parts of a commit or abort record, in this order, each where its bit is set. Bytes of
// a fixed part, or of one item behind the number of items.
const hasInfo = 0x80;
const databasePart = { bit: 0x01, bytes: 8 };
const countedParts = [
  { bit: 0x02, bytes: 4 }, // subtransactions
  { bit: 0x04, bytes: 12 }, // dropped files
  { bit: 0x100, bytes: 0 }, // dropped statistics: the size depends on the version
  { bit: 0x08, bytes: 16 }, // invalidation messages
];
const twoPhasePart = 0x10;

/** The xid of a prepared transaction, which stands behind parts of any length. */
function preparedXid(data: Buffer, { info }: WalRecord): number | undefined {
  if ((info & hasInfo) === 0) return undefined;
  const parts = data.readUInt32LE(8);
  let at = 12;
  if ((parts & databasePart.bit) !== 0) at += databasePart.bytes;
  for (const { bit, bytes } of countedParts) {
    if ((parts & bit) === 0) continue;
    if (bytes === 0 || at + 4 > data.length) return undefined;
    at += 4 + bytes * data.readUInt32LE(at);
  }
  return (parts & twoPhasePart) === 0 || at + 4 > data.length ? undefined : data.readUInt32LE(at);
}

/** Bytes of a CheckPoint (src/include/catalog/pg_control.h), and the offset of its time: up to 18, and in 19. */
const checkpointTimes = new Map([
  [88, 64],
  [96, 72],
]);

/**
 * Returns when this record was written, by the server's clock, in microseconds since 1970; undefined where the record does
 * not say. Commits, aborts, restore points, checkpoints and ends of recovery do.
 */
export function recordedTime(record: WalRecord): bigint | undefined {
  const { manager, info } = record;
  if (manager === transactionManager) return endedTransaction(record)?.at;
  if (manager !== xlogManager) return undefined;
  if (info === restorePoint || info === endOfRecovery)
    return dataOf(record).readBigInt64LE(0) + postgresEpoch;
  if (info !== onlineCheckpoint && info !== shutdownCheckpoint) return undefined;
  const data = dataOf(record);
  const offset = checkpointTimes.get(data.length);
  return offset === undefined ? undefined : data.readBigInt64LE(offset) * 1_000_000n;
}

/** 2000-01-01 in microseconds since 1970. */
const postgresEpoch = 946_684_800_000_000n;

/** Returns the data of a record. @throws RangeError where the record refers to a block */
function dataOf({ bytes }: WalRecord): Buffer {
  let at = recordHeaderBytes;
  for (;;) {
    const block = bytes.readUInt8(at);
    if (block === xidBlock) at += 5;
    else if (block === originBlock) at += 3;
    else if (block === shortDataBlock) return bytes.subarray(at + 2);
    else if (block === longDataBlock) return bytes.subarray(at + 5);
    else throw new RangeError(`a record that refers to no blocks has a block ${block}`);
  }
}
