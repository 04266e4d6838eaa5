/**
 * Chooses the parent of an incremental copy: the newest sound copy in the repository. Where that copy cannot be the
 * parent, no older copy is looked for: a full copy has to be made. Pure.
 */
import { parseLsn } from '../../postgres/lsn.ts';
import { linkName, linksOf, type BackupChain, type ChainLink } from '../../repository/backup-chain.ts';
import type { RepositoryBackup } from '../../repository/repository-backup.ts';

/** The fields of a description that count for the choice. */
export type ParentDescription = ChainLink &
  Pick<RepositoryBackup, 'serverVersion' | 'controlOrigin' | 'damagedPages' | 'historyMark'>;

/** A copy in the repository that may become a parent. */
export interface ParentCandidate<T extends { description: ParentDescription }> {
  backup: T;
  chain: BackupChain<T>;
  /** What the control database knows of the copy; undefined: it has no such request. */
  known: KnownCopy | undefined;
}

/** A copy in the control database. */
export interface KnownCopy {
  state: string;
  hasExpired: boolean;
  /** Whether the latest verification found the copy sound; null: it was not verified. */
  isVerified: boolean | null;
}

/** A copy in the repository whose description cannot be read. */
export interface UnreadableCopy {
  name: string;
  problem: string;
}

/** The cluster that is to be copied. */
export interface ClusterNow {
  systemIdentifier: string;
  timeline: number;
  serverVersion: string;
  /** The origin of the control database. */
  controlOrigin: string;
  blockSize: number;
  walSegmentSize: number;
  relationSegmentBlocks: number;
  checksums: boolean;
  /** The marks that copies have left in the data directory. */
  marks: ReadonlySet<string>;
}

/** The parent, or why there is none. */
export interface ParentChoice<T extends { description: ParentDescription }> {
  /** undefined: a full copy has to be made. */
  parent: ParentCandidate<T> | undefined;
  /** Why a full copy has to be made; '' where there is a parent. */
  reason: string;
  /** The newer copies that are not sound, each with its problem. */
  passedOver: string[];
}

/** Chooses among the copies. `maxChain`: the most incremental copies in a chain. */
export function chooseParent<T extends { description: ParentDescription }>(
  candidates: readonly ParentCandidate<T>[],
  unreadable: readonly UnreadableCopy[],
  now: ClusterNow,
  maxChain: number,
): ParentChoice<T> {
  const passedOver: string[] = [];
  const byName = new Map(candidates.map((candidate) => [linkName(candidate.backup), candidate]));
  const newest = newestFirst(candidates, now).find((candidate) => {
    const problem = whyUnsound(candidate, byName) ?? whyOfOtherHistory(candidate, now);
    if (problem !== undefined) passedOver.push(`backup ${linkName(candidate.backup)} ${problem}`);
    return problem === undefined;
  });
  for (const { name, problem } of unreadable)
    if (newest === undefined || name > linkName(newest.backup))
      passedOver.push(`backup ${name} cannot be read: ${problem}`);
  const reason = newest === undefined ? whyNone(passedOver) : whyUnfit(newest.backup, now, maxChain);
  return reason === undefined
    ? { parent: newest, reason: '', passedOver }
    : { parent: undefined, reason, passedOver };
}

/** The copies on the present timeline come first, since the positions on another one do not compare. */
function newestFirst<T extends { description: ParentDescription }>(
  candidates: readonly ParentCandidate<T>[],
  now: ClusterNow,
): ParentCandidate<T>[] {
  const isHere = ({ backup }: ParentCandidate<T>) => isOnTimeline(backup.description, now);
  const start = ({ backup }: ParentCandidate<T>) => parseLsn(backup.description.startLsn);
  const here = candidates.filter(isHere).sort((a, b) => Number(start(b) - start(a)));
  const began = ({ backup }: ParentCandidate<T>) => Date.parse(backup.description.startedAt);
  const elsewhere = candidates.filter((candidate) => !isHere(candidate)).sort((a, b) => began(b) - began(a));
  return [...here, ...elsewhere];
}

function isOnTimeline(description: ParentDescription, { systemIdentifier, timeline }: ClusterNow): boolean {
  return description.systemIdentifier === systemIdentifier && description.timeline === timeline;
}

/**
 * Why a copy on the present timeline does not tell what the data directory was at its start LSN, as a predicate;
 * undefined: it does.
 */
function whyOfOtherHistory(
  { backup: { description } }: ParentCandidate<{ description: ParentDescription }>,
  now: ClusterNow,
): string | undefined {
  if (!isOnTimeline(description, now)) return undefined;
  if (description.historyMark === undefined)
    return 'has left no mark in the data directory, where the worker may not write';
  return now.marks.has(description.historyMark)
    ? undefined
    : 'has no mark in the data directory, which was put back from an older copy of it since';
}

/** Why a copy cannot be trusted, as a predicate; undefined: nothing speaks against it, nor against what it stands on. */
function whyUnsound<T extends { description: ParentDescription }>(
  candidate: ParentCandidate<T>,
  byName: ReadonlyMap<string, ParentCandidate<T>>,
): string | undefined {
  const own = whyUnsoundItself(candidate);
  if (own !== undefined) return own;
  const { broken, links } = candidate.chain;
  if (broken !== undefined)
    return `cannot be restored: its chain is broken at backup ${broken.name}, which ${broken.problem}`;
  for (const link of links.slice(0, -1)) {
    const name = linkName(link);
    const before = byName.get(name);
    const problem = before === undefined ? undefined : whyUnsoundItself(before);
    if (problem !== undefined) return `stands on backup ${name}, which ${problem}`;
  }
  return undefined;
}

function whyUnsoundItself<T extends { description: ParentDescription }>({
  backup: { description },
  known,
}: ParentCandidate<T>): string | undefined {
  if (known === undefined) return 'is not in the control database';
  if (known.hasExpired) return 'has expired';
  if (known.state !== 'complete') return `is not complete: its request is ${known.state}`;
  if (known.isVerified === false) return 'was found damaged by its last verification';
  const pages = description.damagedPages.length;
  return pages === 0 ? undefined : `has ${pages} damaged page${pages === 1 ? '' : 's'}`;
}

function whyNone(passedOver: readonly string[]): string {
  return passedOver.length === 0
    ? 'the repository has no copy of this cluster yet'
    : 'no copy in the repository is known to be sound';
}

/** What has to be the same in a parent, and how it is said. */
const unchanged = {
  controlOrigin: 'was made by another control database',
  systemIdentifier: 'is of another system',
  timeline: 'is of another timeline',
  checksums: 'is of another setting of data checksums',
  blockSize: 'is of another block size',
  walSegmentSize: 'is of another WAL segment size',
  relationSegmentBlocks: 'is of another size of relation files',
} as const;

/** Why the newest sound copy cannot be the parent; undefined: it can. */
function whyUnfit(
  backup: { description: ParentDescription },
  now: ClusterNow,
  maxChain: number,
): string | undefined {
  const { description } = backup;
  const newest = `backup ${linkName(backup)}, the newest sound copy,`;
  for (const [key, what] of Object.entries(unchanged) as [keyof typeof unchanged, string][])
    if (description[key] !== now[key]) return `${newest} ${what}`;
  const [made, runs] = [description.serverVersion, now.serverVersion].map(release);
  if (made !== runs) return `${newest} was made with PostgreSQL ${made}, and the server is ${runs}`;
  const links = linksOf(description);
  return links < maxChain
    ? undefined
    : `its chain has ${links} incremental ${links === 1 ? 'copy' : 'copies'}, as many as max_chain allows`;
}

/** The number of the release, without what a packager adds to it: `18.4 (Debian 18.4-1)` is 18.4. */
function release(version: string): string {
  return version.split(' ', 1)[0] ?? '';
}
