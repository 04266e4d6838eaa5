/** Recovery targets: parsing and formatting (the PostgreSQL manual, "Recovery Target"). */
import { formatLsn } from '../postgres/lsn.ts';

/** Where recovery ends. */
export type RecoveryTarget =
  /** The end of the WAL archive. */
  | { kind: 'latest' }
  /** The point at which the backup is consistent. */
  | { kind: 'immediate' }
  | { kind: 'time'; at: RecoveryPointInTime; exclusive: boolean }
  | { kind: 'lsn'; lsn: bigint; exclusive: boolean }
  | { kind: 'xid'; xid: string; exclusive: boolean }
  | { kind: 'name'; name: string };

/** A point in time. */
export interface RecoveryPointInTime {
  /** Microseconds since 1970-01-01 00:00:00 UTC. PostgreSQL stores times in microseconds, too. */
  microseconds: bigint;
}

/** The timeline that recovery follows if the archive has several (recovery_target_timeline). */
export type RecoveryTargetTimeline = 'latest' | 'current' | number;

/** The action of the server once the target is reached (recovery_target_action). */
export type RecoveryTargetAction = 'pause' | 'promote' | 'shutdown';

/**
 * Parses a date and time with an offset from UTC. Without an offset, the meaning would depend on the time
 * zone of the server.
 * @throws RangeError where the text is not a valid time
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
  // Date.parse turns 31 February into 3 March.
  if (Number.isNaN(milliseconds) || new Date(milliseconds).toISOString().slice(8, 10) !== day)
    throw new RangeError('is a time that there never was');
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1);
  return { microseconds: BigInt(milliseconds - offset) * 1000n + BigInt(fraction.padEnd(6, '0')) };
}

/**
 * Checks a transaction ID.
 * @throws RangeError where the text is not a transaction ID
 */
export function parseXid(text: string): string {
  if (/^\d{1,20}$/.test(text) && text !== '0') return text;
  throw new RangeError('is not the number of a transaction');
}

/**
 * Checks the name of a restore point, which has 1 to 63 bytes (src/include/catalog/pg_control.h:
 * MAXFNAMELEN).
 * @throws RangeError where the length is not valid
 */
export function parsePointName(text: string): string {
  if (text !== '' && Buffer.byteLength(text) < 64) return text;
  throw new RangeError('is not the name of a restore point, which has 1 to 63 bytes');
}

/**
 * Parses a recovery target timeline.
 * @throws RangeError where the text is neither `latest`, `current` nor a number
 */
export function parseTimeline(text: string): RecoveryTargetTimeline {
  if (text === 'latest' || text === 'current') return text;
  const number = Number(text);
  if (/^\d+$/.test(text) && number > 0 && number < 2 ** 32) return number;
  throw new RangeError('is not "latest", "current" or a number');
}

/** Describes a recovery target in messages. */
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

/**
 * Formats a time in UTC, with microseconds, in a form that every PostgreSQL server reads with any DateStyle.
 */
export function formatTime({ microseconds }: RecoveryPointInTime): string {
  const fraction = ((microseconds % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const iso = new Date(Number((microseconds - fraction) / 1000n)).toISOString();
  return `${iso.slice(0, 19).replace('T', ' ')}.${String(fraction).padStart(6, '0')}+00`;
}
