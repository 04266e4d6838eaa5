/**
 * Symbolic links below the data directory. PostgreSQL follows them wherever it reads, so a copy has what they lead to,
 * as plain files and directories. A directory that is not PostgreSQL's (a log, a place for dumps) is not followed.
 */
import { lstatSync, readdirSync, readlinkSync, realpathSync, statSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { isServers } from '../../postgres/excluded-files.ts';
import { toSystem, toText } from '../../system/byte-path.ts';
import { CopyError } from './copy-error.ts';
import { ownerToJudgeBy } from './open-judged.ts';

/** A directory by what the kernel knows it by. */
export type LinkPlace = Pick<Stats, 'dev' | 'ino'>;

export interface FollowedLink {
  /** Where it is, one character a byte. */
  source: string;
  /** The same, with what links in it lead to. */
  at: string;
  /** In the manifest. */
  path: string;
}

export interface LinkTarget {
  /** Where it is, without a link. */
  at: string;
  stats: Stats;
}

/** What it leads to; a text: why it is not followed; undefined: it has vanished. @throws CopyError */
export function followLink(
  link: FollowedLink,
  above: readonly LinkPlace[],
  owner: number,
): LinkTarget | string | undefined {
  const target = targetOf(link);
  if (target === undefined || typeof target === 'string') return target;
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
    throw CopyError.reading(`${toText(link.source)}" -> "${leadsTo(link)}`, error);
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

/** For include_dir. */
function holdsConfiguration(directory: string): boolean {
  const entries = readdirSync(toSystem(directory));
  return entries.length > 0 && entries.every((name) => name.endsWith('.conf'));
}

/**
 * Whether it is the owner's, or everybody's to read: root reads all, and whoever may write into the data directory
 * would otherwise have a file of root's copied for him.
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
