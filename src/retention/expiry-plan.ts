/**
 * Plans an expiry: reads the control database and the repository, and decides which backups and WAL files
 * expire. Changes nothing. An unreadable file is an error, and then nothing expires.
 */
import type { Connection } from '../database/connection.ts';
import { heldRequests } from '../control/legal-holds.ts';
import {
  damagedBackups,
  knownBackups,
  retentionOf,
  startingBackups,
  type KnownBackup,
  type RetentionPolicy,
} from '../control/retention-rows.ts';
import { HoldfastError } from '../errors.ts';
import { parseLsn } from '../postgres/lsn.ts';
import { entryName } from '../repository/backup-name.ts';
import { unlistedBackups } from '../repository/expired-backup.ts';
import { findLeftovers } from '../repository/unfinished-backup.ts';
import { backupsDirectory } from '../repository/repository-backup.ts';
import {
  isElsewhere,
  isKnownCopy,
  isUnderWay,
  missingCopies,
  otherCandidate,
  storedCandidate,
  unlessAhead,
  type ListedCandidate,
  type ExpiryInput,
  type StoredCopy,
} from './expiry-candidates.ts';
import { alongChains, isBeingMadeFromAnother } from './chained-candidates.ts';
import { decideBackups, type DecidedBackup } from './decide-backups.ts';
import { leapOf, refuseLeap, windowsOf } from './judge-clock.ts';
import { clocksDiffer, type DatedEvidence } from './clock-ahead.ts';
import { decideWal, type OldestNeededWal, type DecidedWalFile } from './decide-wal.ts';
import { heldCandidates } from './held-candidates.ts';
import { leasedBeginnings, leaseLasts, lookAtLeases, type LeasedWal } from './leases.ts';
import { timelinesToReach } from './timelines-to-reach.ts';
import { storedCopies, readArchivedFiles, type ArchiveContent } from './repository-content.ts';

/** The facts that a plan is made from. */
export interface RetentionInput {
  cluster: string;
  clusterDirectory: string;
  /** The present on the clock of the database. */
  now: Date;
  /** Milliseconds: the periods of the rules that keep recent backups. */
  windows: number[];
  policy: RetentionPolicy;
  candidates: ListedCandidate[];
  /** undefined: the cluster has no repository. */
  archive: ArchiveContent | undefined;
  /** WAL that running backups, restored servers and copies that are not in the repository need. */
  underWay: OldestNeededWal[];
  /** Leases of restored servers. */
  leases: LeasedWal;
  /** Why no WAL may be removed now; undefined if WAL may be removed. */
  walMustWait: string | undefined;
}

/** The decisions about all backups and WAL files. */
export interface ExpiryPlan {
  backups: DecidedBackup<ListedCandidate>[];
  wal: DecidedWalFile[];
}

/**
 * Reads everything that a plan needs. undefined if the cluster has no enabled policy.
 * @throws HoldfastError where anything cannot be read
 */
export async function gatherInput(
  db: Connection,
  question: ExpiryInput,
): Promise<RetentionInput | undefined> {
  const { cluster, clusterDirectory } = question;
  const { now, policy: written } = await retentionOf(db, cluster);
  if (written === undefined) return undefined;
  refuseOtherClock(now);
  const windows = windowsOf(written, now);
  const policy = { ...written, recoverSince: earlier(written.recoverSince) };
  // Starting backups are read first, because a starting backup may become a known backup meanwhile. The
  // control database is read before the repository: a backup that is published in between is not a candidate,
  // and is newer than all candidates.
  const starting = await startingBackups(db, cluster);
  const known = await knownBackups(db, cluster);
  const damaged = await damagedBackups(db, cluster);
  const held = await heldRequests(db, cluster);
  const stored = await storedCopies(clusterDirectory);
  const unlisted = await unlistedBackups(clusterDirectory);
  const archive = await readArchivedFiles(clusterDirectory);
  const missing = missingCopies(known, stored, unlisted);
  refuseMissing(clusterDirectory, known, missing, archive);
  const clock = { cluster, clusterDirectory, now, windows, stored: stored.map(stopOf), archive };
  if (!question.clockIsRight) await refuseLeap(db, clock);
  const trusted = async () =>
    question.clockIsRight ||
    (await leapOf(db, { ...clock, windows: [...windows, leaseLasts] })) === undefined;
  const leases = await lookAtLeases(clusterDirectory, now, trusted);
  const off = new Set(unlisted.map(({ name }) => name));
  const links = { stored, unlisted: off, damaged, missing, madeFrom: known.filter(isBeingMadeFromAnother) };
  const candidates = [
    ...alongChains(
      stored.map((backup) => storedCandidate(backup, { known, missing }, damaged, question)),
      links,
    ),
    ...known.filter(isElsewhere).map((request) => otherCandidate(request, question)),
  ].map((candidate) => unlessAhead(candidate, now));
  return {
    cluster,
    clusterDirectory,
    now,
    windows,
    policy,
    candidates: await heldCandidates(candidates, { clusterDirectory, held, leases }),
    archive,
    leases,
    underWay: [
      ...beginningsOf(
        known.filter(({ state }) => isUnderWay(state)),
        archive,
      ),
      ...beginningsOf(missing, archive).map((one) => ({
        ...one,
        reason: `backup ${one.id} is not in the repository, and may need it`,
      })),
      ...leasedBeginnings(leases, archive?.identity.systemIdentifier, candidates),
    ],
    walMustWait: leases.unknown ?? (await whyWait(clusterDirectory, starting, known)),
  };
}

function stopOf({ description }: StoredCopy): DatedEvidence {
  return { at: new Date(description.stoppedAt), what: `the end of backup ${entryName(description)}` };
}

/**
 * Adds the backups and leases that have begun since gatherInput(), because the removal of backups takes time.
 */
export async function gatherAgain(db: Connection, seen: RetentionInput): Promise<RetentionInput> {
  const { cluster, clusterDirectory, archive, now } = seen;
  const starting = await startingBackups(db, cluster);
  const known = await knownBackups(db, cluster);
  // A restore from a copy elsewhere does not lock the backup in this repository.
  const untrusted = () => Promise.resolve(false);
  const leases = await lookAtLeases(clusterDirectory, now, untrusted, seen.leases.over);
  const begun = known.filter(
    ({ state, stoppedAt }) =>
      isUnderWay(state) || (state === 'complete' && stoppedAt !== null && stoppedAt > now),
  );
  return {
    ...seen,
    underWay: [
      ...seen.underWay,
      ...beginningsOf(begun, archive),
      // Leases of all backups count, because the expiry may have removed the backup of a lease.
      ...leasedBeginnings(leases, archive?.identity.systemIdentifier, []),
    ],
    walMustWait: leases.unknown ?? (await whyWait(clusterDirectory, starting, known)),
  };
}

function beginningsOf(
  requests: readonly KnownBackup[],
  archive: ArchiveContent | undefined,
): OldestNeededWal[] {
  return requests
    .filter(({ systemIdentifier }) => systemIdentifier === archive?.identity.systemIdentifier)
    .map(({ id, timeline, startLsn }) => ({ id, timeline, startLsn: parseLsn(startLsn) }));
}

/**
 * Decides about all backups and WAL files. `reading` has the names of backups that are being read at this
 * moment; `refused` has the names of backups that the control database keeps, with the reasons.
 */
export function planFor(
  { candidates, policy, archive, underWay, walMustWait }: RetentionInput,
  reading: ReadonlySet<string> = new Set(),
  refused: ReadonlyMap<string, string> = new Map(),
): ExpiryPlan {
  const asFound = candidates.map((candidate) => {
    const why = reading.has(candidate.name) ? 'it is being read' : refused.get(candidate.name);
    if (why === undefined) return candidate;
    return {
      ...candidate,
      held: [...candidate.held, why],
      isRead: candidate.isRead || reading.has(candidate.name),
    };
  });
  if (archive === undefined) return { backups: decideBackups(asFound, policy, []), wal: [] };
  const { histories, files, lastUse, identity } = archive;
  const { systemIdentifier, walSegmentSize: segmentSize } = identity;
  const ours = asFound.filter((candidate) => candidate.systemIdentifier === systemIdentifier);
  const known = { files, histories, lastUse, backups: ours, underWay };
  const branches = timelinesToReach({ ...known, recoverSince: policy.recoverSince }).map((timeline) => ({
    timeline,
    histories,
    systemIdentifier,
  }));
  const backups = decideBackups(asFound, policy, branches);
  const staying = backups.filter(({ goes, backup }) => !goes && ours.includes(backup));
  // A server that recovers from a backup, of this repository or of a copy elsewhere, may be on the way to any timeline.
  const recoverSince = [...ours, ...underWay].some(({ isRead }) => isRead) ? null : policy.recoverSince;
  const timelines = timelinesToReach({ ...known, recoverSince });
  const wal = decideWal({ files, histories, staying, underWay, timelines, segmentSize });
  if (walMustWait === undefined) return { backups, wal };
  return {
    backups,
    wal: wal.map((file) => (file.goes ? { ...file, goes: false, reason: walMustWait } : file)),
  };
}

function refuseOtherClock(now: Date): void {
  const difference = Math.abs(Date.now() - now.getTime());
  if (difference <= clocksDiffer) return;
  throw new HoldfastError(
    'failed',
    `the clocks differ by ${Math.round(difference / 60_000)} minutes: the database's says ${now.toISOString()}`,
    { code: 'clocks_differ', hint: 'set both clocks right: nothing expires until then' },
  );
}

/** Extends the recovery window by the possible error of the clocks of servers and archives. */
function earlier(time: Date | null): Date | null {
  return time && new Date(time.getTime() - clocksDiffer);
}

/**
 * Refuses a repository without any of the copies that the control database knows. A file system that is not mounted
 * looks like an empty directory.
 */
function refuseMissing(
  clusterDirectory: string,
  known: readonly KnownBackup[],
  missing: readonly KnownBackup[],
  archive: ArchiveContent | undefined,
): void {
  const [first] = missing;
  if (archive !== undefined && first !== undefined && missing.length === known.filter(isKnownCopy).length)
    throw new HoldfastError(
      'failed',
      `"${backupsDirectory(clusterDirectory)}" has none of the copies that this database knows, such as backup ${first.id}`,
      {
        code: 'repository_unreadable',
        hint: `mount the file system of the backups, or run "SELECT forget_copy(${first.id}, 'why')" as an operator for each copy that is gone for good: nothing expires until then`,
      },
    );
  const copy = known.find(({ method, state }) => method === 'copy' && state === 'complete');
  if (archive !== undefined || copy === undefined) return;
  throw new HoldfastError(
    'failed',
    `"${clusterDirectory}" is not a repository, and backup ${copy.id} was copied to one`,
    {
      code: 'repository_unreadable',
      hint: 'name the right repository with --repository or HOLDFAST_REPOSITORY, or mount its file system: nothing expires until then',
    },
  );
}

/** Why the removal of WAL has to wait: the start of a backup has to be known before WAL is removed. */
async function whyWait(
  clusterDirectory: string,
  starting: readonly number[],
  known: readonly KnownBackup[],
): Promise<string | undefined> {
  if (starting.length > 0) return `backup ${starting[0]} is starting: it is not known where it begins`;
  const unfinished = (await findLeftovers(clusterDirectory)).filter(({ writerIsGone }) => !writerIsGone);
  const stranger = unfinished.find(
    ({ id }) => !known.some((request) => request.id === id && isUnderWay(request.state)),
  );
  return stranger && `backup ${stranger.name} is unfinished, and this database does not know it`;
}
