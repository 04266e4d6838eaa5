/**
 * What the chains of incremental copies say about the backups with which a killed expiry had begun. Pure.
 */
import { BackupChains, linkName, type ChainLink } from '../repository/backup-chain.ts';
import { whyNeeded } from './needed-links.ts';

/** A backup in the repository. */
export interface CopyWithPages {
  description: ChainLink & { damagedPages: readonly unknown[] };
}

/** A backup that an expiry has taken off the lists. */
export interface UnlistedCopy {
  name: string;
  /** Whether none of the backup's files has been removed. */
  isWhole: boolean;
  /** undefined: the backup is not whole, or its description is damaged. */
  description: CopyWithPages['description'] | undefined;
  /** Why the backup is held; empty if nothing holds the backup. */
  reasons: readonly string[];
}

/** The backups of a repository after an expiry was killed. */
export interface AfterKilledExpiry {
  listed: readonly CopyWithPages[];
  unlisted: readonly UnlistedCopy[];
  /** The names of the backups whose last verification has found damage. */
  damaged: ReadonlySet<string>;
}

/**
 * Why whole unlisted backups have to be listed again, by name: backups that stay cannot be restored without them; or
 * none of the listed backups is known to be sound, and they are not known to be damaged.
 */
export function neededUnlisted({ listed, unlisted, damaged }: AfterKilledExpiry): Map<string, string> {
  const whole = unlisted.filter(({ isWhole }) => isWhole);
  const described = whole.flatMap(({ description }) => (description === undefined ? [] : [{ description }]));
  const chains = new BackupChains({ backups: [...listed, ...described], damaged: [], expiring: [] });
  const off = new Set(unlisted.map(({ name }) => name));
  const isSound = (backup: CopyWithPages) => {
    const { links, broken } = chains.of(backup);
    const names = links.map(linkName);
    const hasDamage = links.some(({ description }) => description.damagedPages.length > 0);
    return broken === undefined && !hasDamage && !names.some((name) => damaged.has(name) || off.has(name));
  };
  const needed = new Map<string, string>();
  if (!listed.some(isSound))
    for (const { name } of whole.filter((one) => !damaged.has(one.name)))
      needed.set(name, 'none of those that are left is known to be sound');
  const isStaying = (name: string) =>
    needed.has(name) || whole.some((one) => one.name === name && isHeld(one));
  const staying = [...listed, ...described.filter((backup) => isStaying(linkName(backup)))];
  for (const { name } of whole) {
    const children = staying
      .map((backup) => chains.of(backup).links.map(linkName))
      .filter((links) => links.slice(0, -1).includes(name));
    if (children.length > 0) needed.set(name, whyNeeded(children.map((links) => String(links.at(-1)))));
  }
  return needed;
}

function isHeld({ reasons }: UnlistedCopy): boolean {
  return reasons.length > 0;
}
