// WAL that ends where a test wants it to.
import { parseLsn } from '../../src/postgres/lsn.ts';
import type { SqlClient } from './sql-client.ts';

/** Bytes of WAL that pg_backup_stop writes: one record of its start, up to which the backup reaches. */
const stopRecord = 40;
const page = 8192;
/** Bytes of a record with a message, besides the message: more, and fewer than 256, have another length in it. */
const longMessage = { overhead: 55, least: 256 };

/**
 * Writes messages until a pg_backup_stop that came now would end exactly with a segment. Whatever else writes WAL
 * meanwhile or after that spoils it: look where the backup stopped.
 */
export async function fillBeforeStop(client: SqlClient, segmentSize: number): Promise<void> {
  for (;;) {
    const lsn = parseLsn(await client.value<string>('select pg_current_wal_insert_lsn()::text'));
    const left = segmentSize - Number(lsn % BigInt(segmentSize));
    if (left === stopRecord) return;
    if (left > page - 24) {
      // The pages between have headers; what was said of this record's size may be wrong by those.
      await emit(client, Math.max(longMessage.least, Math.floor((left - page / 2) * (1 - 24 / page)) - 64));
    } else {
      const exact = left - stopRecord - longMessage.overhead;
      await emit(client, exact >= longMessage.least ? exact : page);
    }
  }
}

/** Whether an LSN is the first byte of a segment. */
export function isBoundary(lsn: string, segmentSize: number): boolean {
  return parseLsn(lsn) % BigInt(segmentSize) === 0n;
}

async function emit(client: SqlClient, bytes: number): Promise<void> {
  await client.query(`select pg_logical_emit_message(false, 'x', repeat('x', $1))`, [bytes]);
}

/** The segment of timeline 1 that ends there: reckoned from its bytes, not from its name by the server. */
export function segmentWithEnd(lsn: string, segmentSize: number): string {
  const number = Number(parseLsn(lsn)) / segmentSize - 1;
  const perLog = 0x1_0000_0000 / segmentSize;
  const part = (value: number) => value.toString(16).toUpperCase().padStart(8, '0');
  return `00000001${part(Math.floor(number / perLog))}${part(number % perLog)}`;
}
