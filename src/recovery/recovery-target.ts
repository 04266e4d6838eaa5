/** How far a restore is to go: PostgreSQL's recovery targets (the manual, "Recovery Target"). */
import { formatLsn } from '../postgres/lsn.ts';

export type RecoveryTarget =
  /** To the end of the archive. */
  | { kind: 'latest' }
  /** As soon as the backup is consistent. */
  | { kind: 'immediate' }
  | { kind: 'time'; at: RecoveryPointInTime; exclusive: boolean }
  | { kind: 'lsn'; lsn: bigint; exclusive: boolean }
  | { kind: 'xid'; xid: string; exclusive: boolean }
  | { kind: 'name'; name: string };

export interface RecoveryPointInTime {
  /** Microseconds since 1970, as PostgreSQL's times have them. */
  microseconds: bigint;
}

/** Where recovery follows the WAL to, when there are several timelines. */
export type RecoveryTargetTimeline = 'latest' | 'current' | number;

export type RecoveryTargetAction = 'pause' | 'promote' | 'shutdown';

/**
 * A date and a time with its offset from UTC: without one it would mean whatever the server's time zone is.
 * @throws RangeError
 */
export function parseTime(text: string): RecoveryPointInTime {
  const pattern =
    /^(\d{4})-(\d\d)-(\d\d)[ Tt](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?\s*(?:([zZ]|UTC)|([+-])(\d\d)(?::?(\d\d))?)$/;
  const match = pattern.exec(text.trim());
  if (match === null)
    throw new RangeError('is not a date and time with an offset from UTC, such as 2026-03-14 12:00:00+00');
  const [, year, month, day, hour, minute, second = '00', fraction = '', , sign, hours = '0', minutes = '0'] =
    match;
  const local = `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
  const milliseconds = Date.parse(local);
  // Date takes the 31st of February for the 3rd of March.
  if (Number.isNaN(milliseconds) || new Date(milliseconds).toISOString().slice(8, 10) !== day)
    throw new RangeError('is a time that there never was');
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1);
  return { microseconds: BigInt(milliseconds - offset) * 1000n + BigInt(fraction.padEnd(6, '0')) };
}

/** @throws RangeError */
export function parseXid(text: string): string {
  if (/^\d{1,20}$/.test(text) && text !== '0') return text;
  throw new RangeError('is not the number of a transaction');
}

/** src/include/catalog/pg_control.h: MAXFNAMELEN. @throws RangeError */
export function parsePointName(text: string): string {
  if (text !== '' && Buffer.byteLength(text) < 64) return text;
  throw new RangeError('is not the name of a restore point, which has 1 to 63 bytes');
}

/** @throws RangeError */
export function parseTimeline(text: string): RecoveryTargetTimeline {
  if (text === 'latest' || text === 'current') return text;
  const number = Number(text);
  if (/^\d+$/.test(text) && number > 0 && number < 2 ** 32) return number;
  throw new RangeError('is not "latest", "current" or a number');
}

/** For people. */
export function formatRecoveryTarget(target: RecoveryTarget): string {
  const just = 'exclusive' in target && target.exclusive ? 'just before ' : '';
  switch (target.kind) {
    case 'latest':
    case 'immediate':
      return target.kind;
    case 'time':
      return `${just}time ${formatTime(target.at)}`;
    case 'lsn':
      return `${just}LSN ${formatLsn(target.lsn)}`;
    case 'xid':
      return `${just}transaction ${target.xid}`;
    case 'name':
      return `restore point ${target.name}`;
  }
}

/** In UTC, to the microsecond, in a form that every PostgreSQL reads whatever its DateStyle. */
export function formatTime({ microseconds }: RecoveryPointInTime): string {
  const fraction = ((microseconds % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const iso = new Date(Number((microseconds - fraction) / 1000n)).toISOString();
  return `${iso.slice(0, 19).replace('T', ' ')}.${String(fraction).padStart(6, '0')}+00`;
}
