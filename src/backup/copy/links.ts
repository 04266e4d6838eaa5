/**
 * Symbolic links below the data directory. PostgreSQL follows symbolic links when it reads files, so a copy
 * contains their targets as plain files and directories. A link to a directory that does not belong to PostgreSQL
 * (a log, a place for dumps) is not followed.
 */
import { lstatSync, readdirSync, readlinkSync, realpathSync, statSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { isServers } from '../../postgres/excluded-files.ts';
import { toSystem, toText } from '../../system/byte-path.ts';
import { CopyError } from './copy-error.ts';
import { ownerToJudgeBy } from './open-judged.ts';

/** Identifies a directory by device and inode number. */
export type LinkPlace = Pick<Stats, 'dev' | 'ino'>;

/** A symbolic link that the walk has found. */
export interface FollowedLink {
  /** Path of the link, one character per byte. */
  source: string;
  /** The same path without symbolic links in the parent directories. */
  at: string;
  /** Path in the manifest. */
  path: string;
}

/** The target of a symbolic link. */
export interface LinkTarget {
  /** Path without symbolic links. */
  at: string;
  stats: Stats;
}

/**
 * Returns the target of a link. A string: the reason why the link is not followed. undefined: the link has
 * vanished, or its target is neither a file nor a directory. `above`: the directories that contain the link.
 * `owner`: user id of the owner of the data directory.
 * @throws CopyError where the target contains the link, cannot be read, or must not be read by the owner of the
 * data directory
 */
export function followLink(
  link: FollowedLink,
  above: readonly LinkPlace[],
  owner: number,
): LinkTarget | string | undefined {
  try {
    const target = targetOf(link);
    return target === undefined || typeof target === 'string' ? target : judge(link, target, above, owner);
  } catch (error) {
    throw CopyError.reading(`${toText(link.source)}" -> "${leadsTo(link)}`, error);
  }
}

function judge(
  link: FollowedLink,
  target: LinkTarget,
  above: readonly LinkPlace[],
  owner: number,
): LinkTarget | string | undefined {
  const { stats, at } = target;
  if (stats.isDirectory()) {
    if (above.some(({ dev, ino }) => dev === stats.dev && ino === stats.ino))
      throw refused(link, 'a directory that it is in');
    if (!isServers(link.path) && !holdsConfiguration(at))
      return `is a symbolic link to a directory that is not PostgreSQL's`;
  } else if (!stats.isFile()) {
    return undefined;
  }
  if (ownerToJudgeBy(owner) !== undefined && !mayRead(owner, toSystem(at)))
    throw refused(link, "what the data directory's owner may not read");
  return target;
}

function targetOf(link: FollowedLink): LinkTarget | string | undefined {
  try {
    const at = realpathSync.native(toSystem(link.at), 'latin1');
    return { at, stats: lstatSync(toSystem(at)) };
  } catch (error) {
    if (lstatSync(toSystem(link.at), { throwIfNoEntry: false }) === undefined) return undefined;
    const isDangling = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (isDangling && !isServers(link.path)) return 'is a symbolic link that leads nowhere';
    throw error;
  }
}

function refused(link: FollowedLink, what: string): CopyError {
  return CopyError.reading(
    toText(link.source),
    new Error(`it is a symbolic link to ${what}, "${leadsTo(link)}"`),
  );
}

function leadsTo({ at }: FollowedLink): string {
  try {
    return toText(readlinkSync(toSystem(at), 'latin1'));
  } catch {
    return '?';
  }
}

/** Whether a directory holds configuration files only, as for include_dir. */
function holdsConfiguration(directory: string): boolean {
  const entries = readdirSync(toSystem(directory));
  return entries.length > 0 && entries.every((name) => name.endsWith('.conf'));
}

/**
 * Whether the owner of the data directory may read the path. root may read everything: without this check, a user
 * who can write into the data directory could make root copy a file of root.
 */
function mayRead(owner: number, path: string | Buffer): boolean {
  const isOpen = (at: string | Buffer, own: number, others: number) => {
    const { uid, mode } = statSync(at);
    return (mode & (uid === owner ? own : others)) !== 0;
  };
  if (!isOpen(path, 0o400, 0o004)) return false;
  const text = path.toString();
  for (let at = dirname(text); ; at = dirname(at)) {
    if (!isOpen(at, 0o100, 0o001)) return false;
    if (at === dirname(at)) return true;
  }
}
