/**
 * Which links have to stay because an incremental copy stays, and in which order links are removed: never a parent
 * before its children. Pure.
 */
import type { ExpiryCandidate } from './expiry-candidate.ts';

/** Number of backups that a reason names. */
const mostNamed = 3;

/**
 * By the name of each link that one of the staying backups stands on: why the link stays. The name of a link is that of
 * a copy in the repository.
 */
export function neededLinks(staying: readonly ExpiryCandidate[]): Map<string, string> {
  const children = new Map<string, string[]>();
  for (const { name, standsOn = [] } of staying)
    for (const link of standsOn) children.set(link, [...(children.get(link) ?? []), name]);
  return new Map([...children].map(([link, names]) => [link, whyNeeded(names)]));
}

/** Why a link stays: the backups that cannot be restored without it. */
export function whyNeeded(names: readonly string[]): string {
  const [first = ''] = names;
  if (names.length === 1) return `backup ${first} cannot be restored without it`;
  const more = names.length > mostNamed ? ` and ${names.length - mostNamed} more` : '';
  return `backups ${names.slice(0, mostNamed).join(', ')}${more} cannot be restored without it`;
}

/**
 * Sorts backups that expire: each link comes behind all links that stand on it. Otherwise the order is that of
 * `expiring`, so that a killed expiry leaves the other chains whole.
 */
export function childrenFirst<T extends ExpiryCandidate>(expiring: readonly T[]): T[] {
  const sorted = new Set<T>();
  for (const backup of expiring) {
    const behind = expiring.filter((other) => isLink(backup, other));
    // The longest chain ends with the youngest link.
    for (const child of behind.toSorted((a, b) => lengthOf(b) - lengthOf(a))) sorted.add(child);
    sorted.add(backup);
  }
  return [...sorted];
}

/** Whether `backup` cannot be restored without `link`. */
export function isLink(link: ExpiryCandidate, backup: ExpiryCandidate): boolean {
  return link.method === 'copy' && backup.standsOn?.includes(link.name) === true;
}

function lengthOf({ standsOn = [] }: ExpiryCandidate): number {
  return standsOn.length;
}
