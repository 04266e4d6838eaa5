/**
 * Decides which hold files beside a backup are written or removed. Hold files store legal holds and keep
 * flags. Pure.
 *
 * The control database that placed a hold decides when the hold is over: the hold is released, or the keep
 * flag was cleared later. A control database that does not know a hold was restored to a time before the
 * hold, and cannot end the hold.
 */
import type { HeldRequest } from '../control/legal-holds.ts';
import type { FoundHold, HeldBackup, StoredHold } from '../repository/stored-holds.ts';

/** The changes to the hold files of one backup. */
export interface HoldsDecided {
  write: StoredHold[];
  /** Hold files whose holds are over. */
  remove: FoundHold[];
  /** Hold files that the control database does not know. Such a hold stays valid. */
  unknown: FoundHold[];
}

/**
 * Decides about the hold files `found` of a backup. `known` is the record of the same backup in the control
 * database; undefined if the control database does not know the backup.
 */
export function decideHolds(
  backup: HeldBackup,
  known: HeldRequest | undefined,
  found: readonly FoundHold[],
): HoldsDecided {
  const valid = known === undefined ? [] : holdsOf(backup, known);
  const isThere = (one: StoredHold) => found.some(({ hold }) => hold !== undefined && isSame(hold, one));
  const remove: FoundHold[] = [];
  const unknown: FoundHold[] = [];
  for (const one of found) {
    const { hold } = one;
    if (hold !== undefined && valid.some((of) => isSame(of, hold))) continue;
    if (hold !== undefined && known !== undefined && isOver(hold, known)) remove.push(one);
    else unknown.push(one);
  }
  return { write: valid.filter((one) => !isThere(one)), remove, unknown };
}

/** Why a backup with such a hold file stays. */
export function whyUnknownHolds({ path, hold }: FoundHold): string {
  if (hold === undefined) return `"${path}" holds it, and cannot be read`;
  const what = hold.kind === 'keep' ? 'keep is set' : `it is under legal hold: ${hold.reason}`;
  return `${what} (by ${hold.by} at ${hold.at.slice(0, 19)}Z, says "${path}"; this database does not know it)`;
}

function holdsOf(backup: HeldBackup, known: HeldRequest): StoredHold[] {
  const { origin, keep, keptSince, requestedBy, holds } = known;
  const of = { origin, systemIdentifier: backup.systemIdentifier, startLsn: backup.startLsn };
  const kept = { kind: 'keep', reason: '', by: requestedBy, login: requestedBy, at: keptSince } as const;
  return [
    ...(keep ? [{ ...kept, ...of }] : []),
    ...holds
      .filter(({ released }) => !released)
      .map(({ reason, by, login, at }) => ({ kind: 'hold', reason, by, login, at, ...of }) as const),
  ];
}

function isSame(a: StoredHold, b: Pick<StoredHold, 'kind' | 'reason' | 'at'>): boolean {
  return a.kind === b.kind && a.at === b.at && a.reason === b.reason;
}

function isOver({ kind, reason, at }: StoredHold, { keepChangedAt, holds }: HeldRequest): boolean {
  // A keep flag that was set again later has a hold file of its own.
  if (kind === 'keep') return keepChangedAt !== null && at < keepChangedAt;
  return holds.some((hold) => hold.released && hold.at === at && hold.reason === reason);
}
