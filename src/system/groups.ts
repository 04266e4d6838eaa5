/**
 * The group that a user of this host may have. A backup names user and group, and may name any: who runs as an ordinary
 * user with the group of the disks is root in all but name.
 */
import { accountEntry } from './users.ts';

/**
 * `gid`, where the user has it, or where this host knows neither; else the user's own. undefined: he has none that can
 * be his alone, and never root's.
 */
export function groupOf(uid: number, gid: number): number | undefined {
  const group = hisOr(uid, gid);
  return group === 0 ? undefined : group;
}

function hisOr(uid: number, gid: number): number | undefined {
  const user = accountEntry('passwd', uid);
  const group = accountEntry('group', gid);
  if (user === undefined) {
    if (group === undefined) return gid;
    return accountEntry('group', uid) === undefined ? uid : undefined;
  }
  const [name = '', , , primary] = user;
  const isMember = (group?.[3] ?? '').split(',').includes(name);
  return isMember || Number(primary) === gid ? gid : Number(primary);
}
