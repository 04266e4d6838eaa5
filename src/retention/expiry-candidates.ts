/**
 * Collects the backups of a cluster that may expire: backups in the repository, and backups that only the
 * control database knows.
 */
import type { KnownBackup } from '../control/retention-rows.ts';
import type { Unlisted } from '../repository/expired-backup.ts';
import { parseLsn } from '../postgres/lsn.ts';
import { backupIdIn, entryName } from '../repository/backup-name.ts';
import { isRecorded } from '../repository/recorded-backup.ts';
import type { RepositoryBackup } from '../repository/repository-backup.ts';
import { clocksDiffer } from './clock-ahead.ts';
import type { ExpiryCandidate } from './expiry-candidate.ts';

/** The options of an expiry that concern the candidates. */
export interface ExpiryInput {
  cluster: string;
  clusterDirectory: string;
  /** Whether backups in the repository may expire that the control database does not know. */
  unknown: boolean;
  /** Whether the operator has confirmed the clock, so that the clock is not checked. */
  clockIsRight: boolean;
  /** Whether a delete_command is configured, which removes backups outside of the repository. */
  deletes: boolean;
}

/** A candidate with its request. */
export interface ListedCandidate extends ExpiryCandidate {
  /** The ID of the request; null if the control database does not know the backup. */
  request: number | null;
  /** The ID of a request that may have made the backup, see mayBeOf(); null: the backup is known, or no such request. */
  mayBe: number | null;
  label: string;
  startedAt: Date;
  /** stoppedAt as text. */
  stoppedText: string;
  /** startLsn as text. */
  startText: string;
}

/** A backup in the repository, with its label. */
export interface StoredCopy {
  description: RepositoryBackup;
  label: string;
}

/**
 * A candidate from the repository, with its request if the control database knows the backup. IDs repeat
 * after a restore of the control database, and a clone of a server has the same system identifier and LSNs.
 * So the timeline and all of backup_label except the name have to match, too. A backup that the control
 * database does not know does not take the place of a known backup.
 */
export function storedCandidate(
  { description: backup, label }: StoredCopy,
  { known, missing }: Record<'known' | 'missing', readonly KnownBackup[]>,
  damaged: ReadonlySet<string>,
  { unknown }: ExpiryInput,
): ListedCandidate {
  const name = entryName(backup);
  const request = known.find((one) => isRecorded(backup, label, one));
  const mayBe = request === undefined ? mayBeOf(backup.id, missing) : undefined;
  const ofNobody = unknown ? whyMayBeHeld(mayBe) : ['this database does not know it'];
  return {
    ...described(backup),
    name,
    method: 'copy',
    request: request?.id ?? null,
    mayBe: mayBe?.id ?? null,
    requester: request?.requester ?? 'somebody',
    isSound:
      backup.damagedPages.length === 0 &&
      !damaged.has(name) &&
      (request === undefined ? unknown : request.state === 'complete'),
    held: request === undefined ? ofNobody : whyHeld(request),
    isBegun: request?.isBegun ?? false,
    stoppedAt: new Date(backup.stoppedAt),
    startedAt: new Date(backup.startedAt),
    stoppedText: backup.stoppedAt,
  };
}

type Described = Pick<
  RepositoryBackup,
  'id' | 'label' | 'systemIdentifier' | 'timeline' | 'startLsn' | 'stopLsn' | 'startWal' | 'stopWal'
>;

function described({
  id,
  label,
  systemIdentifier,
  timeline,
  startLsn,
  stopLsn,
  startWal,
  stopWal,
}: Described) {
  const lsns = { startLsn: parseLsn(startLsn), stopLsn: parseLsn(stopLsn), startText: startLsn };
  return { id, label, systemIdentifier, timeline, startWal, stopWal, ...lsns, isRead: false };
}

type Elsewhere = KnownBackup & { stopLsn: string; stopWal: string; stoppedAt: Date };

/** Whether the backup was copied by another tool or by a command, so that only its request is known. */
export function isElsewhere(request: KnownBackup): request is Elsewhere {
  const { method, state, stopLsn, stopWal, stoppedAt } = request;
  return (
    method !== 'copy' && state === 'complete' && stopLsn !== null && stopWal !== null && stoppedAt !== null
  );
}

/** A candidate that is not in the repository. */
export function otherCandidate(request: Elsewhere, { deletes, cluster }: ExpiryInput): ListedCandidate {
  const { id, method, isBegun, startedAt, stoppedAt } = request;
  const stays = deletes ? [] : [`no delete_command is configured for cluster ${cluster}`];
  return {
    ...described(request),
    name: entryName({ startedAt: startedAt.toISOString(), id }),
    method,
    request: id,
    mayBe: null,
    requester: request.requester,
    isSound: request.archiveSeen !== false,
    held: [...whyHeld(request), ...stays],
    isBegun,
    stoppedAt,
    startedAt,
    stoppedText: stoppedAt.toISOString(),
  };
}

/**
 * Holds a candidate that is dated in the future. The clock was ahead when the backup was made, or the clock
 * is behind now. The age of such a backup is unknown, so the backup stays, and does not take the place of
 * another backup.
 */
export function unlessAhead<T extends ExpiryCandidate>(candidate: T, now: Date): T {
  const { stoppedAt, held } = candidate;
  if (stoppedAt.getTime() - now.getTime() <= clocksDiffer) return candidate;
  const why = `it is dated in the future (${stoppedAt.toISOString().slice(0, 19)}Z), and counts for no other one`;
  return { ...candidate, isSound: false, isAhead: true, held: [...held, why] };
}

/** Why a backup stays according to its request in the control database. */
export function whyHeld({ keep, holds, state }: Pick<KnownBackup, 'keep' | 'holds' | 'state'>): string[] {
  return [
    ...(keep ? ['keep is set'] : []),
    ...holds.map((reason) => `it is under legal hold: ${reason}`),
    ...(isUnderWay(state) ? [`its request is ${state}`] : []),
  ];
}

/**
 * The copies that the control database knows and that are neither stored nor being removed: they have been moved
 * away, or their file system is not mounted.
 */
export function missingCopies(
  known: readonly KnownBackup[],
  stored: readonly StoredCopy[],
  unlisted: readonly Unlisted[],
): KnownBackup[] {
  const isUnlisted = (request: KnownBackup) =>
    unlisted.some(({ name, description }) =>
      description === undefined
        ? backupIdIn(name) === request.id
        : isRecorded(description, undefined, request),
    );
  return copiesNotIn(stored, known).filter((request) => !isUnlisted(request));
}

/** The copies that the control database knows, and that are not among those. */
export function copiesNotIn(stored: readonly StoredCopy[], known: readonly KnownBackup[]): KnownBackup[] {
  const isStored = (request: KnownBackup) =>
    stored.some(({ description, label }) => isRecorded(description, label, request));
  return known.filter((request) => isKnownCopy(request) && !isStored(request));
}

/**
 * The request that may have made a backup with this id which the control database does not know: its own copy is nowhere
 * else. Whoever writes to the repository can change what is said there of a backup.
 */
export function mayBeOf(id: number, missing: readonly KnownBackup[]): KnownBackup | undefined {
  return missing.find((request) => request.id === id);
}

/** Why a backup stays that may be the copy of this request. */
export function whyMayBeHeld(request: KnownBackup | undefined): string[] {
  if (request === undefined) return [];
  return whyHeld(request).map(
    (why) => `it may be the copy of backup request ${request.id}, which is nowhere else: ${why}`,
  );
}

/** Whether a copy of this request should be in the repository. */
export function isKnownCopy({ method, state, isBegun, isNoted }: KnownBackup): boolean {
  return method === 'copy' && state === 'complete' && !isBegun && !isNoted;
}

/** Whether a request in this state is still running. */
export function isUnderWay(state: string): boolean {
  return ['running', 'done', 'archiving'].includes(state);
}
