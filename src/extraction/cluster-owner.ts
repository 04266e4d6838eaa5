/**
 * Determines the user who owns the files restored by root. PostgreSQL requires one owner, which must not be root. The
 * owner is the user who owns the files that initdb created, regardless of other files in the data directory. The
 * group has to be a group of that user.
 */
import type { FrameEntry } from '../repository/frame-index.ts';
import type { TarMember } from '../repository/tar.ts';
import { HoldfastError } from '../errors.ts';
import { backupDamaged } from '../repository/repository-errors.ts';
import { groupOf } from '../system/groups.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import { FrameFiles } from './frame-file.ts';
import { contentsOf } from './frame-chunks.ts';
import { ownerHere } from './owners.ts';

/** A user id and a group id. */
export interface FileOwner {
  uid: number;
  gid: number;
}

/**
 * Files and directories that initdb creates in every data directory. pg_wal and pg_tblspc are not used, because they
 * may be links of another user.
 */
const madeByInitdb =
  /^(PG_VERSION|(base|global|pg_(xact|multixact|subtrans|stat|twophase|commit_ts|logical))\/)$/;
const base = 'base.tar.zst';
/** (uid_t) -1 means "unchanged" to chown(2). */
const largestId = 2 ** 32 - 2;

/**
 * Returns the owner of the restored files; undefined unless this process runs as root, because other users cannot
 * give files away.
 * @throws HoldfastError `server_owner_is_root` where the owner is root or has no usable group; `backup_damaged` where
 * the backup does not name an owner
 */
export function clusterOwner(backup: StoredBackup, frames: readonly FrameEntry[]): FileOwner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const member = firstOf(backup, frames);
  if (member === undefined) throw damaged(backup, `${base} has no PG_VERSION`);
  const [uid, gid] = ownerHere(member);
  if (!isId(uid) || !isId(gid)) throw damaged(backup, `"${member.name}" has an owner that is not a user`);
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
      `user ${uid}, who owns the files of "${backup.directory}", has no group on this host`,
      {
        code: 'server_owner_is_root',
        hint: 'run this as the user that PostgreSQL runs as, or create a user with that number and a group of its own',
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
      // A frame in the middle of a large file has no header.
      if (tar !== base || (continues !== undefined && continues.left >= size)) continue;
      const member = membersIn(files, frame).find(({ name }) => madeByInitdb.test(name));
      if (member !== undefined) return member;
    }
    return undefined;
  } finally {
    files.close();
  }
}

/** A damaged frame is reported when the frame is extracted. */
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
  return backupDamaged(`"${directory}" cannot be restored: ${reason}`);
}
