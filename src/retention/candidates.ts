/** The backups of a cluster that may expire: those in the repository, and those that only their requests know of. */
import type { KnownBackup } from '../control/retention.ts';
import { parseLsn } from '../postgres/lsn.ts';
import { entryName } from '../repository/label-entry.ts';
import type { RepositoryBackup } from '../repository/repository-backup.ts';
import type { Candidate } from './decide-backups.ts';

export interface Question {
  cluster: string;
  clusterDirectory: string;
  /** Also those in the repository that this database knows nothing of. */
  unknown: boolean;
  /** Whether there is anything that removes copies which are not in the repository. */
  deletes: boolean;
}

export interface ListedCandidate extends Candidate {
  /** null: this database does not know it. */
  request: number | null;
  label: string;
  startedAt: Date;
  stoppedText: string;
  startText: string;
}

export function storedCandidate(
  backup: RepositoryBackup,
  known: readonly KnownBackup[],
  damaged: ReadonlySet<string>,
  { unknown }: Question,
): ListedCandidate {
  const name = entryName(backup);
  const request = known.find(
    ({ id, systemIdentifier, startLsn }) =>
      id === backup.id && systemIdentifier === backup.systemIdentifier && startLsn === backup.startLsn,
  );
  return {
    ...described(backup),
    name,
    method: 'copy',
    request: request?.id ?? null,
    isSound:
      backup.damagedPages.length === 0 &&
      !damaged.has(name) &&
      (request === undefined || request.state === 'complete'),
    held: request === undefined ? (unknown ? [] : ['this database does not know it']) : whyHeld(request),
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

/** A copy that somebody else made, or a command: only its request knows of it. */
export function isElsewhere(request: KnownBackup): request is Elsewhere {
  const { method, state, stopLsn, stopWal, stoppedAt } = request;
  return (
    method !== 'copy' && state === 'complete' && stopLsn !== null && stopWal !== null && stoppedAt !== null
  );
}

export function otherCandidate(request: Elsewhere, { deletes, cluster }: Question): ListedCandidate {
  const { id, method, isBegun, startedAt, stoppedAt } = request;
  const stays = deletes ? [] : [`no delete_command is configured for cluster ${cluster}`];
  return {
    ...described(request),
    name: entryName({ startedAt: startedAt.toISOString(), id }),
    method,
    request: id,
    isSound: true,
    held: [...whyHeld(request), ...stays],
    isBegun,
    stoppedAt,
    startedAt,
    stoppedText: stoppedAt.toISOString(),
  };
}

function whyHeld({ keep, holds, state }: KnownBackup): string[] {
  return [
    ...(keep ? ['keep is set'] : []),
    ...holds.map((reason) => `it is under legal hold: ${reason}`),
    ...(isUnderWay(state) ? [`its request is ${state}`] : []),
  ];
}

export function isUnderWay(state: string): boolean {
  return ['running', 'done', 'archiving'].includes(state);
}
