/**
 * Selects a group that a user of this host may have. A backup names the user and the group of its files, and may name
 * any group: an ordinary user with the group "disk" has all rights of root in effect.
 */
import { accountEntry } from './users.ts';

/**
 * Returns `gid` where the user is a member of that group, or where this host knows neither the user nor the group; or
 * else the primary group of the user. Where this host knows the group but not the user, returns the number of the user
 * if no group of this host has that number. Never returns root's group. undefined: the user has no usable group.
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
