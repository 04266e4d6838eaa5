/** The backups of a cluster that may expire: those in the repository, and those that only their requests know of. */
import type { KnownBackup } from '../control/retention-rows.ts';
import { parseLsn } from '../postgres/lsn.ts';
import { entryName } from '../repository/label-entry.ts';
import type { RepositoryBackup } from '../repository/repository-backup.ts';
import { clocksDiffer } from './clock-leap.ts';
import type { ExpiryCandidate } from './expiry-candidate.ts';

export interface ExpiryInput {
  cluster: string;
  clusterDirectory: string;
  /** Also those in the repository that this database knows nothing of. */
  unknown: boolean;
  /** Somebody says so: nothing is held against the clock. */
  clockIsRight: boolean;
  /** Whether there is anything that removes copies which are not in the repository. */
  deletes: boolean;
}

export interface ListedCandidate extends ExpiryCandidate {
  /** null: this database does not know it. */
  request: number | null;
  label: string;
  startedAt: Date;
  stoppedText: string;
  startText: string;
}

/** A backup in the repository, with its label. */
export interface StoredCopy {
  description: RepositoryBackup;
  label: string;
}

/**
 * Ids repeat after the control database was restored, and a clone of the server has its system identifier and its
 * LSNs: timeline, start time, and all else that the label says have to fit, too. What this database does not know
 * takes no place of what it knows.
 */
export function storedCandidate(
  { description: backup, label }: StoredCopy,
  known: readonly KnownBackup[],
  damaged: ReadonlySet<string>,
  { unknown }: ExpiryInput,
): ListedCandidate {
  const name = entryName(backup);
  const request = known.find(
    ({ id, systemIdentifier, startLsn, timeline, backupLabel }) =>
      id === backup.id &&
      systemIdentifier === backup.systemIdentifier &&
      startLsn === backup.startLsn &&
      timeline === backup.timeline &&
      (backupLabel === null || samePoint(backupLabel, label)),
  );
  return {
    ...described(backup),
    name,
    method: 'copy',
    request: request?.id ?? null,
    requester: request?.requester ?? 'somebody',
    isSound:
      backup.damagedPages.length === 0 &&
      !damaged.has(name) &&
      (request === undefined ? unknown : request.state === 'complete'),
    held: request === undefined ? (unknown ? [] : ['this database does not know it']) : whyHeld(request),
    isBegun: request?.isBegun ?? false,
    stoppedAt: new Date(backup.stoppedAt),
    startedAt: new Date(backup.startedAt),
    stoppedText: backup.stoppedAt,
  };
}

/** The label's own name may be in another encoding here and there. */
function samePoint(a: string, b: string): boolean {
  const lines = (text: string) => text.split('\n').filter((line) => !line.startsWith('LABEL:'));
  return lines(a).join('\n').trim() === lines(b).join('\n').trim();
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

/** A copy that somebody else made, or a command: only its request knows of it. */
export function isElsewhere(request: KnownBackup): request is Elsewhere {
  const { method, state, stopLsn, stopWal, stoppedAt } = request;
  return (
    method !== 'copy' && state === 'complete' && stopLsn !== null && stopWal !== null && stoppedAt !== null
  );
}

export function otherCandidate(request: Elsewhere, { deletes, cluster }: ExpiryInput): ListedCandidate {
  const { id, method, isBegun, startedAt, stoppedAt } = request;
  const stays = deletes ? [] : [`no delete_command is configured for cluster ${cluster}`];
  return {
    ...described(request),
    name: entryName({ startedAt: startedAt.toISOString(), id }),
    method,
    request: id,
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
 * One that is dated in the future was made while a clock was ahead, or the clock is behind now: nobody knows how old it
 * is, so it stays, and takes no other one's place.
 */
export function unlessAhead<T extends ExpiryCandidate>(candidate: T, now: Date): T {
  const { stoppedAt, held } = candidate;
  if (stoppedAt.getTime() - now.getTime() <= clocksDiffer) return candidate;
  const why = `it is dated in the future (${stoppedAt.toISOString().slice(0, 19)}Z), and counts for no other one`;
  return { ...candidate, isSound: false, isAhead: true, held: [...held, why] };
}

/** By what the control database says of its request. */
export function whyHeld({ keep, holds, state }: Pick<KnownBackup, 'keep' | 'holds' | 'state'>): string[] {
  return [
    ...(keep ? ['keep is set'] : []),
    ...holds.map((reason) => `it is under legal hold: ${reason}`),
    ...(isUnderWay(state) ? [`its request is ${state}`] : []),
  ];
}

export function isUnderWay(state: string): boolean {
  return ['running', 'done', 'archiving'].includes(state);
}
