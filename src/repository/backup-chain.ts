/**
 * The chains of incremental copies. A chain begins with a full copy; every further link is an incremental copy, which
 * holds what has changed since its parent. A link cannot be restored without all links before it. Pure.
 */
import { HoldfastError } from '../errors.ts';
import { formatLsn, parseLsn } from '../postgres/lsn.ts';
import { entryName } from './backup-name.ts';
import type { Catalog } from './catalog.ts';
import type { IncrementalOf, RepositoryBackup } from './repository-backup.ts';

/** The fields of a description that decide whether one copy is the parent of another. */
export interface ChainLink extends Pick<
  RepositoryBackup,
  | 'id'
  | 'startedAt'
  | 'systemIdentifier'
  | 'timeline'
  | 'startLsn'
  | 'stopLsn'
  | 'blockSize'
  | 'walSegmentSize'
  | 'relationSegmentBlocks'
  | 'checksums'
  | 'manifestCrc32c'
> {
  /** undefined: a full copy. */
  incremental?: Omit<IncrementalOf, 'lengthsCrc32c'>;
}

/** A backup with its description: a StoredBackup, for example. */
export interface ChainMember {
  description: ChainLink;
}

/** The backups among which links are looked for: a Catalog, for example. */
export interface KnownLinks<T extends ChainMember> extends Pick<Catalog, 'expiring'> {
  backups: readonly T[];
  damaged: readonly { name: string; problem: string }[];
}

/** Why a backup cannot be restored: the nearest link before it that is not there, or does not fit. */
export interface BrokenLink {
  /** The name of the link. */
  name: string;
  /** A predicate, such as "is not in the repository". */
  problem: string;
}

/** The chain of one backup. */
export interface BackupChain<T> {
  /**
   * The links from the full copy to the backup. Where the chain is broken, the links between the broken one and the
   * backup, and the backup.
   */
  links: T[];
  /** undefined: the chain is whole. */
  broken: BrokenLink | undefined;
}

/** The chains of the backups of one cluster. */
export class BackupChains<T extends ChainMember> {
  readonly #backups: Map<string, T>;
  readonly #damaged: Map<string, string>;
  readonly #expiring: Set<string>;
  /** By the name of a link: the backups that cannot be restored without the link. Made when first asked for. */
  #standing: Map<string, T[]> | undefined;

  constructor({ backups, damaged, expiring }: KnownLinks<T>) {
    this.#backups = new Map(backups.map((backup) => [linkName(backup), backup]));
    this.#damaged = new Map(damaged.map(({ name, problem }) => [name, problem]));
    this.#expiring = new Set(expiring);
  }

  /** The chain of `backup`, which need not be among the known ones. */
  of(backup: T): BackupChain<T> {
    const links = [backup];
    for (let child = backup; child.description.incremental !== undefined;) {
      const name = child.description.incremental.parent;
      const parent = this.#backups.get(name);
      if (parent === undefined) return { links, broken: { name, problem: this.#whyMissing(name) } };
      const problem = whyUnfit(parent.description, child);
      if (problem !== undefined) return { links, broken: { name, problem } };
      links.unshift(parent);
      child = parent;
    }
    return { links, broken: undefined };
  }

  /**
   * The links from the full copy to `backup`.
   * @throws HoldfastError `backup_chain_broken`, which names the link and its problem
   */
  require(backup: T): T[] {
    const { links, broken } = this.of(backup);
    if (broken === undefined) return links;
    throw new HoldfastError('failed', saidOfBroken(linkName(backup), broken), {
      code: 'backup_chain_broken',
      hint: `put backup ${broken.name} back, or choose another backup: "holdfast restore --list" names those whose chains are broken`,
    });
  }

  /** All backups that cannot be restored without the backup of that name, oldest first. */
  standingOn(name: string): readonly T[] {
    this.#standing ??= this.#standingByLink();
    return this.#standing.get(name) ?? [];
  }

  #standingByLink(): Map<string, T[]> {
    const standing = new Map<string, T[]>();
    const oldestFirst = [...this.#backups.values()].sort((a, b) =>
      compareStarts(a.description, b.description),
    );
    for (const backup of oldestFirst) {
      const { links, broken } = this.of(backup);
      const names = links.slice(0, -1).map(linkName);
      for (const name of broken === undefined ? names : [broken.name, ...names])
        standing.set(name, [...(standing.get(name) ?? []), backup]);
    }
    return standing;
  }

  #whyMissing(name: string): string {
    const damage = this.#damaged.get(name);
    if (damage !== undefined) return `cannot be used: ${damage}`;
    return this.#expiring.has(name) ? 'has expired' : 'is not in the repository';
  }
}

/** Says which link breaks the chain of the backup `name`. */
export function saidOfBroken(name: string, broken: BrokenLink): string {
  return `backup ${name} cannot be restored: its chain is broken at backup ${broken.name}, which ${broken.problem}`;
}

/** The name of a link: that of the directory in which it is stored. */
export function linkName({ description }: ChainMember): string {
  return entryName(description);
}

/** The number of incremental copies up to a link and with it; 0 for a full copy. */
export function linksOf({ incremental }: Pick<ChainLink, 'incremental'>): number {
  return incremental?.links ?? 0;
}

/** What the blocks of all links have to share, and how it is said. */
const sameOf = {
  blockSize: 'block size',
  walSegmentSize: 'WAL segment size',
  relationSegmentBlocks: 'number of blocks per relation file',
  checksums: 'setting of data checksums',
} as const;

/**
 * Why `parent` is not what `child` was made from, as a predicate of the parent; undefined where it is. A parent begins
 * before its child, so that no chain leads round in a circle.
 */
function whyUnfit(parent: ChainLink, { description: child }: ChainMember): string | undefined {
  const { incremental } = child;
  if (incremental === undefined) return undefined;
  const { parentRequest, fromLsn, fromTimeline } = incremental;
  const name = entryName(child);
  if (parent.systemIdentifier !== child.systemIdentifier)
    return `is of the system ${parent.systemIdentifier}, and backup ${name} of ${child.systemIdentifier}`;
  if (parent.id !== parentRequest)
    return `is of request ${parent.id}, and backup ${name} was made from that of request ${parentRequest}`;
  if (parseLsn(parent.startLsn) !== parseLsn(fromLsn) || parent.timeline !== fromTimeline)
    return `begins at ${at(parent)}, and backup ${name} was made from one that begins at ${at({ startLsn: fromLsn, timeline: fromTimeline })}`;
  if (child.timeline !== fromTimeline)
    return `is on timeline ${fromTimeline}, and backup ${name} on timeline ${child.timeline}`;
  const [begins, stops, next] = [parent.startLsn, parent.stopLsn, child.startLsn].map(parseLsn) as Three;
  if (stops > next || begins >= next)
    return `ends at ${parent.stopLsn}, which is not before backup ${name} begins (${child.startLsn})`;
  for (const [key, what] of Object.entries(sameOf) as [keyof typeof sameOf, string][])
    if (parent[key] !== child[key])
      return `has another ${what} (${parent[key]}) than backup ${name} (${child[key]})`;
  return whyOther(parent, name, incremental);
}

/** Why a copy of the right name and place is another one than that from which the backup `name` was made. */
function whyOther(
  parent: ChainLink,
  name: string,
  { parentManifestCrc32c, full, links }: NonNullable<ChainLink['incremental']>,
): string | undefined {
  const first = parent.incremental?.full ?? entryName(parent);
  if (first !== full) return `is of the chain of ${first}, and backup ${name} of that of ${full}`;
  if (linksOf(parent) + 1 !== links)
    return `is link ${linksOf(parent)} of its chain, and backup ${name} link ${links}`;
  if (parent.manifestCrc32c !== parentManifestCrc32c)
    return `has another backup_manifest than the copy of that name from which backup ${name} was made`;
  return undefined;
}

type Three = [bigint, bigint, bigint];

function at({ startLsn, timeline }: Pick<ChainLink, 'startLsn' | 'timeline'>): string {
  return `${formatLsn(parseLsn(startLsn))} on timeline ${timeline}`;
}

function compareStarts(a: ChainLink, b: ChainLink): number {
  return Date.parse(a.startedAt) - Date.parse(b.startedAt) || a.id - b.id;
}
