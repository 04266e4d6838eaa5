/**
 * What the chains of incremental copies say about candidates: which links each one stands on, and whether all of them
 * are there and undamaged. Pure.
 */
import { BackupChains, linkName, type BackupChain } from '../repository/backup-chain.ts';
import type { KnownBackup } from '../control/retention-rows.ts';
import { isUnderWay, type ListedCandidate, type StoredCopy } from './expiry-candidates.ts';

/** The facts about the links. */
export interface LinkFacts {
  stored: readonly StoredCopy[];
  /** The names of the backups whose removal an expiry has begun. */
  unlisted: ReadonlySet<string>;
  /** The names of the backups whose last verification has found damage. */
  damaged: ReadonlySet<string>;
  /** The requests that are still running and copy what has changed since their parents. */
  madeFrom: readonly Pick<KnownBackup, 'id' | 'parent'>[];
}

/** Whether a request is still running and copies what has changed since another backup. */
export function isBeingMadeFromAnother({ parent, state }: KnownBackup): boolean {
  return parent !== null && isUnderWay(state);
}

/**
 * Adds to each candidate in the repository what its chain says. An incremental copy counts as sound only if all of its
 * links are; a link that a running backup is made from stays.
 */
export function alongChains(candidates: readonly ListedCandidate[], facts: LinkFacts): ListedCandidate[] {
  const { stored, unlisted, madeFrom } = facts;
  const chains = new BackupChains<StoredCopy>({ backups: stored, damaged: [], expiring: [...unlisted] });
  const byName = new Map(stored.map((copy) => [linkName(copy), copy]));
  return candidates.map((candidate) => {
    const copy = candidate.method === 'copy' ? byName.get(candidate.name) : undefined;
    if (copy === undefined) return candidate;
    const chain = chains.of(copy);
    const unsound = whyUnsound(chain, facts);
    const children = madeFrom.filter(({ parent }) => parent !== null && parent === candidate.request);
    return {
      ...candidate,
      standsOn: chain.links.slice(0, -1).map(linkName),
      held: [...candidate.held, ...children.map(({ id }) => `backup ${id} is being made from it`)],
      ...(unsound === undefined ? {} : { isSound: false, unsound }),
    };
  });
}

/** Why a backup cannot be restored although nothing is wrong with itself; undefined if nothing is wrong. */
function whyUnsound({ links, broken }: BackupChain<StoredCopy>, { damaged }: LinkFacts): string | undefined {
  if (broken !== undefined) return `its chain is broken at backup ${broken.name}, which ${broken.problem}`;
  const link = links
    .slice(0, -1)
    .find((one) => one.description.damagedPages.length > 0 || damaged.has(linkName(one)));
  return link && `it stands on backup ${linkName(link)}, which is damaged`;
}
