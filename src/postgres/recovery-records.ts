/**
 * The few records of WAL that say what a recovery is going to do, or where it ends: of everything else only the
 * length counts. They refer to no blocks, so their data follows the header (src/include/access/xlogrecord.h).
 */
import { readRequiredParameters, type RequiredParameters } from './required-parameters.ts';
import { recordHeaderBytes, type WalRecord } from './wal-records.ts';

/** Bytes of a record that are enough for all of these: a path is shorter than MAXPGPATH. */
export const recoveryRecordBytes = 1200;

// src/include/access/rmgrlist.h
const xlogManager = 0;
const transactionManager = 1;
export const tablespaceManager = 5;

// src/include/catalog/pg_control.h
const parameterChange = 0x60;
const restorePoint = 0x70;

// src/include/access/xact.h: XLOG_XACT_OPMASK and what it leaves
const transactionMask = 0x70;
const commit = 0x00;
const abort = 0x20;
const commitPrepared = 0x30;
const abortPrepared = 0x40;

const xidBlock = 252;
const originBlock = 253;
const longDataBlock = 254;
const shortDataBlock = 255;

/** What such a record's header is followed by. */
export const dataMarks = [xidBlock, originBlock, longDataBlock, shortDataBlock];

export interface TablespaceCreation {
  oid: string;
  /** One character a byte. */
  location: string;
}

/**
 * src/include/commands/tablespace.h: xl_tblspc_create_rec; undefined: it creates none, or one below the data
 * directory.
 */
export function createdTablespace(record: WalRecord): TablespaceCreation | undefined {
  if (record.manager !== tablespaceManager || record.info !== 0x00) return undefined;
  const data = dataOf(record);
  const location = data.toString('latin1', 4, data.indexOf(0, 4));
  return location === '' ? undefined : { oid: String(data.readUInt32LE(0)), location };
}

/** Its OID: src/include/commands/tablespace.h: xl_tblspc_drop_rec. */
export function droppedTablespace(record: WalRecord): string | undefined {
  if (record.manager !== tablespaceManager || record.info !== 0x10) return undefined;
  return String(dataOf(record).readUInt32LE(0));
}

/** What a standby needs from here on. */
export function changedParameters(record: WalRecord): RequiredParameters | undefined {
  if (record.manager !== xlogManager || record.info !== parameterChange) return undefined;
  return readRequiredParameters(dataOf(record), 0);
}

/** The name of a restore point; one character a byte. */
export function restorePointName(record: WalRecord): string | undefined {
  if (record.manager !== xlogManager || record.info !== restorePoint) return undefined;
  const data = dataOf(record);
  return data.toString('latin1', 8, data.indexOf(0, 8));
}

export interface EndedTransaction {
  /** 32 bits of it; 0 where it was a prepared one. */
  xid: number;
  /** Microseconds since 1970. */
  at: bigint;
}

/** Where a transaction ends: the places at which a recovery to a time or a transaction can stop. */
export function endedTransaction(record: WalRecord): EndedTransaction | undefined {
  if (record.manager !== transactionManager) return undefined;
  const kind = record.info & transactionMask;
  if (kind !== commit && kind !== abort && kind !== commitPrepared && kind !== abortPrepared)
    return undefined;
  const isPrepared = kind === commitPrepared || kind === abortPrepared;
  return {
    xid: isPrepared ? 0 : record.bytes.readUInt32LE(4),
    at: dataOf(record).readBigInt64LE(0) + postgresEpoch,
  };
}

/** 2000-01-01, in microseconds since 1970. */
const postgresEpoch = 946_684_800_000_000n;

/** @throws RangeError */
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
