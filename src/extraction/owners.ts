/**
 * Determines the owner of restored files: by name where this host knows the name, because the numbers may differ from
 * those on the host of the backup, or else by number.
 */
import type { TarMember } from '../repository/tar.ts';
import { accountNumber } from '../system/users.ts';

/** Returns the user id and the group id of a tar member on this host. */
export function ownerHere({
  user,
  group,
  uid,
  gid,
}: Pick<TarMember, 'user' | 'group' | 'uid' | 'gid'>): [number, number] {
  return [accountNumber('passwd', user) ?? uid, accountNumber('group', group) ?? gid];
}
