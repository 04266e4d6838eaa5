/**
 * Whom a restore by root gives the files to: one user, as PostgreSQL wants it, and never root. It is the owner of what
 * initdb had made, whatever else lay in the data directory; the group is one that this user has.
 */
import type { FrameEntry } from '../repository/frame-index.ts';
import type { TarMember } from '../repository/tar.ts';
import { HoldfastError } from '../errors.ts';
import { groupOf } from '../system/groups.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import { FrameFiles } from './frame-file.ts';
import { contentsOf } from './frame-chunks.ts';
import { ownersIfRoot } from './owners.ts';

export interface FileOwner {
  uid: number;
  gid: number;
}

/** What initdb makes itself in every data directory; pg_wal and pg_tblspc may be links of somebody else's. */
const madeByInitdb =
  /^(PG_VERSION|(base|global|pg_(xact|multixact|subtrans|stat|twophase|commit_ts|logical))\/)$/;
const base = 'base.tar.zst';
/** (uid_t) -1 means: leave it as it is. */
const largestId = 2 ** 32 - 2;

/**
 * undefined: only root may give files away, everybody else keeps them.
 * @throws HoldfastError `server_owner_is_root`; `backup_damaged` where nothing says who it is
 */
export function clusterOwner(backup: StoredBackup, frames: readonly FrameEntry[]): FileOwner | undefined {
  const owners = ownersIfRoot();
  if (owners === undefined) return undefined;
  const member = firstOf(backup, frames);
  if (member === undefined) throw damaged(backup, `${base} has no PG_VERSION`);
  const [uid, gid] = owners.of(member);
  if (!isId(uid) || !isId(gid)) throw damaged(backup, `"${member.name}" has no owner that can be one`);
  if (uid === 0) {
    throw new HoldfastError('failed', `the files of "${backup.directory}" would belong to root`, {
      code: 'server_owner_is_root',
      hint: 'run this as the user that PostgreSQL runs as: it does not run as root',
    });
  }
  const group = groupOf(uid, gid);
  if (group === undefined) {
    throw new HoldfastError(
      'failed',
      `user ${uid}, whose files "${backup.directory}" has, has no group here`,
      {
        code: 'server_owner_is_root',
        hint: 'run this as the user that PostgreSQL runs as, or make one with that number and a group of its own',
      },
    );
  }
  return { uid, gid: group };
}

function firstOf({ directory }: StoredBackup, frames: readonly FrameEntry[]): TarMember | undefined {
  const files = new FrameFiles(directory);
  try {
    for (const frame of frames) {
      const { tar, size, continues } = frame;
      // Of the frames in the middle of a large file, none has a header.
      if (tar !== base || (continues !== undefined && continues.left >= size)) continue;
      const member = membersIn(files, frame).find(({ name }) => madeByInitdb.test(name));
      if (member !== undefined) return member;
    }
    return undefined;
  } finally {
    files.close();
  }
}

/** What is wrong with a frame is said when it is extracted. */
function membersIn(files: FrameFiles, frame: FrameEntry): TarMember[] {
  try {
    const { directories, pieces } = contentsOf(files.read(frame), frame);
    return [...directories, ...pieces.flatMap(({ header }) => header ?? [])];
  } catch {
    return [];
  }
}

function isId(id: number): boolean {
  return Number.isSafeInteger(id) && id >= 0 && id <= largestId;
}

function damaged({ directory }: StoredBackup, reason: string): HoldfastError {
  return new HoldfastError('failed', `"${directory}" cannot be restored: ${reason}`, {
    code: 'backup_damaged',
    hint: 'restore another backup: "holdfast verify --all" says which ones are sound',
  });
}
