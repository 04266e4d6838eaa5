/**
 * The group that a user of this host may have. A backup names user and group, and may name any: who runs as an ordinary
 * user with the group of the disks is root in all but name.
 */
import { entryOf } from './owner-names.ts';

/** `gid`, where the user has it, or where this host knows neither; else the user's own. */
export function groupOf(uid: number, gid: number): number {
  const user = entryOf('passwd', uid);
  const group = entryOf('group', gid);
  if (user === undefined) return group === undefined ? gid : uid;
  const [name = '', , , primary] = user;
  const isMember = (group?.[3] ?? '').split(',').includes(name);
  return isMember || Number(primary) === gid ? gid : Number(primary);
}
