/**
 * Decides which hold files beside a backup are written or removed. Hold files store legal holds and keep
 * flags. Pure.
 *
 * The control database that placed a hold decides when the hold is over: the hold is released, or the keep
 * flag was cleared later. A control database that does not know a hold was restored to a time before the
 * hold, and cannot end the hold. The links that a held incremental copy stands on have hold files of their own, for
 * whoever does not see the copy.
 */
import type { HeldRequest } from '../control/legal-holds.ts';
import { isSameLsn } from '../postgres/lsn.ts';
import { backupIdIn } from '../repository/backup-name.ts';
import type { FoundHold, HeldBackup, StoredHold } from '../repository/stored-holds.ts';
import { whyNeeded } from './needed-links.ts';

/** The changes to the hold files of one backup. */
export interface HoldsDecided {
  write: StoredHold[];
  /** Hold files whose holds are over. */
  remove: FoundHold[];
  /** Hold files that the control database does not know. Such a hold stays valid. */
  unknown: FoundHold[];
}

/** A backup that may have holds. */
export interface HoldableBackup extends HeldBackup {
  id: number;
}

/**
 * Decides about the hold files `found` of a backup. `known`: the requests in the control database with holds.
 * `children`: the incremental copies that cannot be restored without the backup; a hold of theirs holds the backup.
 */
export function decideHolds(
  backup: HoldableBackup,
  known: readonly HeldRequest[],
  found: readonly FoundHold[],
  children: readonly HoldableBackup[] = [],
): HoldsDecided {
  const valid = [
    ...holdsOf(backup, known),
    ...children.flatMap((child) => holdsOf(child, known).map((hold) => ({ ...hold, for: child.name }))),
  ];
  const isThere = (one: StoredHold) => found.some(({ hold }) => hold !== undefined && isSame(hold, one));
  const remove: FoundHold[] = [];
  const unknown: FoundHold[] = [];
  for (const one of found) {
    const { hold } = one;
    if (hold !== undefined && valid.some((of) => isSame(of, hold))) continue;
    const request = hold && heldRequestOf(heldBy(hold, backup), known);
    if (hold !== undefined && request !== undefined && isOver(hold, request)) remove.push(one);
    else unknown.push(one);
  }
  return { write: valid.filter((one) => !isThere(one)), remove, unknown };
}

/** The backup that a hold file beside `backup` holds: `backup`, or an incremental copy that stands on it. */
export function heldBy(hold: StoredHold, backup: HoldableBackup): HoldableBackup {
  const { for: name, systemIdentifier, startLsn } = hold;
  if (name === undefined) return backup;
  return { id: backupIdIn(name) ?? 0, name, method: 'copy', systemIdentifier, startLsn };
}

/** The record of the same backup in the control database; undefined if there is none. */
export function heldRequestOf(
  backup: Omit<HoldableBackup, 'name' | 'method'>,
  known: readonly HeldRequest[],
): HeldRequest | undefined {
  return known.find(
    ({ id, systemIdentifier, startLsn }) =>
      id === backup.id &&
      systemIdentifier === backup.systemIdentifier &&
      isSameLsn(startLsn, backup.startLsn),
  );
}

/** Why a backup with such a hold file stays. */
export function whyUnknownHolds({ path, hold }: FoundHold): string {
  if (hold === undefined) return `"${path}" holds it, and cannot be read`;
  const by = `by ${hold.by} at ${hold.at.slice(0, 19)}Z, says "${path}"`;
  const isKeep = hold.kind === 'keep';
  if (hold.for !== undefined)
    return `${whyNeeded([hold.for])}, and ${isKeep ? 'has keep set' : `is under legal hold: ${hold.reason}`} (${by})`;
  const what = isKeep ? 'keep is set' : `it is under legal hold: ${hold.reason}`;
  return `${what} (${by}; this database does not know it)`;
}

function holdsOf(backup: HoldableBackup, requests: readonly HeldRequest[]): StoredHold[] {
  const known = heldRequestOf(backup, requests);
  if (known === undefined) return [];
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

function isSame(a: StoredHold, b: StoredHold): boolean {
  return a.kind === b.kind && a.at === b.at && a.reason === b.reason && a.for === b.for;
}

function isOver({ kind, reason, at }: StoredHold, { keepChangedAt, holds }: HeldRequest): boolean {
  // A keep flag that was set again later has a hold file of its own.
  if (kind === 'keep') return keepChangedAt !== null && at < keepChangedAt;
  return holds.some((hold) => hold.released && hold.at === at && hold.reason === reason);
}
