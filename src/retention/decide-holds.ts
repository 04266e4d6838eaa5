/**
 * What becomes of the holds and keeps that lie beside a backup. Pure.
 *
 * The database that placed one says when it is over: by a hold of the same moment that is released, or by a keep that
 * was taken back later. A database that does not know one was restored to a time before it, and says nothing.
 */
import type { HeldRequest } from '../control/legal-holds.ts';
import type { FoundHold, HeldBackup, StoredHold } from '../repository/stored-holds.ts';

export interface HoldsDecided {
  write: StoredHold[];
  /** Over. */
  remove: FoundHold[];
  /** This database does not know them: they hold. */
  unknown: FoundHold[];
}

/** `known`: what the database says of that very backup; undefined: nothing. */
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

/** Why a backup with these stays. */
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
  // A keep that is set again later lies there by itself.
  if (kind === 'keep') return keepChangedAt !== null && at < keepChangedAt;
  return holds.some((hold) => hold.released && hold.at === at && hold.reason === reason);
}
