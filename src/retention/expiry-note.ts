/**
 * Checks the note that an expiry leaves beside a backup which the expiry removes. Whoever writes to the repository can
 * change the note, and what the note says is recorded and removed. Pure.
 */
import type { ExpiringBackup } from '../control/retention-rows.ts';
import { isBackupName } from '../repository/backup-name.ts';

/** Characters. */
const longestReason = 100_000;
/** Characters. */
const longestPolicy = 100_000;

/**
 * Returns the note; undefined where the note is not one of this backup of this cluster, or has a value that no expiry
 * writes. `backup`: the name of the directory in which the note lies.
 */
export function checkedNote(
  note: unknown,
  { cluster, backup }: Pick<ExpiringBackup, 'cluster' | 'backup'>,
): ExpiringBackup | undefined {
  const {
    request = null,
    method,
    stoppedAt,
    systemIdentifier,
    startLsn,
    reason,
    policy,
    ...of
  } = Object(note) as Partial<ExpiringBackup>;
  if (of.cluster !== cluster || of.backup !== backup || !isBackupName(backup)) return undefined;
  if (request !== null && !Number.isSafeInteger(request)) return undefined;
  if (method !== 'copy' || !isTime(stoppedAt) || !isSystem(systemIdentifier) || !isLsn(startLsn))
    return undefined;
  if (!isText(reason, longestReason) || !isPolicy(policy)) return undefined;
  const names = { cluster, backup, request, mayBe: null };
  return { ...names, method, stoppedAt, systemIdentifier, startLsn, reason, policy };
}

function isText(value: unknown, longest: number): value is string {
  return typeof value === 'string' && value.length <= longest && !value.includes('\0');
}

function isTime(value: unknown): value is string {
  if (!isText(value, 30) || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/.test(value)) return false;
  const time = new Date(value);
  return !Number.isNaN(time.getTime()) && time.toISOString().slice(0, 19) === value.slice(0, 19);
}

function isSystem(value: unknown): value is string {
  if (!isText(value, 20) || !/^-?\d{1,19}$/.test(value)) return false;
  return BigInt.asIntN(64, BigInt(value)) === BigInt(value);
}

function isLsn(value: unknown): value is string {
  return isText(value, 17) && /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/.test(value);
}

function isPolicy(value: unknown): value is string | null {
  if (value === null) return true;
  if (!isText(value, longestPolicy)) return false;
  try {
    return typeof JSON.parse(value) === 'object';
  } catch {
    return false;
  }
}
