/**
 * What the chains of incremental copies say about candidates: which links each one stands on, and whether all of them
 * are there and undamaged. Pure.
 */
import { BackupChains, linkName, type BackupChain } from '../repository/backup-chain.ts';
import { entryName } from '../repository/backup-name.ts';
import type { KnownBackup } from '../control/retention-rows.ts';
import { isUnderWay, type ListedCandidate, type StoredCopy } from './expiry-candidates.ts';
import { whyNeeded } from './needed-links.ts';

/** The facts about the links. */
export interface LinkFacts {
  stored: readonly StoredCopy[];
  /** The names of the backups whose removal an expiry has begun. */
  unlisted: ReadonlySet<string>;
  /** The names of the backups whose last verification has found damage. */
  damaged: ReadonlySet<string>;
  /** The requests of complete copies that are neither stored nor expired: they may come back. */
  missing: readonly Pick<KnownBackup, 'id' | 'parent' | 'startedAt'>[];
  /** The requests that are still running and copy what has changed since their parents. */
  madeFrom: readonly Pick<KnownBackup, 'id' | 'parent'>[];
}

/** Whether a request is still running and copies what has changed since another backup. */
export function isBeingMadeFromAnother({ parent, state }: KnownBackup): boolean {
  return parent !== null && isUnderWay(state);
}

/**
 * Adds to each candidate in the repository what its chain says. An incremental copy counts as sound only if all of its
 * links are. A link that a running or a missing backup needs stays, and so does a copy whose missing link may come back.
 */
export function alongChains(candidates: readonly ListedCandidate[], facts: LinkFacts): ListedCandidate[] {
  const { stored, unlisted } = facts;
  const chains = new BackupChains<StoredCopy>({ backups: stored, damaged: [], expiring: [...unlisted] });
  const byName = new Map(stored.map((copy) => [linkName(copy), copy]));
  return candidates.map((candidate) => {
    const copy = candidate.method === 'copy' ? byName.get(candidate.name) : undefined;
    if (copy === undefined) return candidate;
    const chain = chains.of(copy);
    const unsound = whyUnsound(chain, facts);
    return {
      ...candidate,
      standsOn: chain.links.slice(0, -1).map(linkName),
      held: [...candidate.held, ...whyHeldForLinks(candidate, chain, facts)],
      ...(unsound === undefined ? {} : { isSound: false, unsound }),
    };
  });
}

/** Why a copy stays for children that are being made or missing, or because a missing link of it may come back. */
function whyHeldForLinks(
  { request }: ListedCandidate,
  { broken }: BackupChain<StoredCopy>,
  { missing, madeFrom }: LinkFacts,
): string[] {
  const isChild = ({ parent }: Pick<KnownBackup, 'parent'>) => parent !== null && parent === request;
  const link = missing.map(nameOf).find((name) => name === broken?.name);
  return [
    ...madeFrom.filter(isChild).map(({ id }) => `backup ${id} is being made from it`),
    ...missing
      .filter(isChild)
      .map((child) => `${whyNeeded([nameOf(child)])}, and may come back: it is missing`),
    ...(link === undefined
      ? []
      : [`it can be restored again if backup ${link} comes back, which is missing`]),
  ];
}

function nameOf({ id, startedAt }: Pick<KnownBackup, 'id' | 'startedAt'>): string {
  return entryName({ id, startedAt: startedAt.toISOString() });
}

/** Why a backup cannot be restored although nothing is wrong with itself; undefined if nothing is wrong. */
function whyUnsound({ links, broken }: BackupChain<StoredCopy>, { damaged }: LinkFacts): string | undefined {
  if (broken !== undefined) return `its chain is broken at backup ${broken.name}, which ${broken.problem}`;
  const link = links
    .slice(0, -1)
    .find((one) => one.description.damagedPages.length > 0 || damaged.has(linkName(one)));
  return link && `it stands on backup ${linkName(link)}, which is damaged`;
}
