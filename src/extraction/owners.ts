/**
 * Determines the owner of restored files: by name where this host knows the name, because the numbers may differ from
 * those on the host of the backup, or else by number.
 */
import type { TarMember } from '../repository/tar.ts';
import { accountNumber } from '../system/users.ts';

/** Maps user and group names to ids of this host. */
export class OwnerLookup {
  /** Returns the user id and the group id. */
  of({ user, group, uid, gid }: Pick<TarMember, 'user' | 'group' | 'uid' | 'gid'>): [number, number] {
    return [accountNumber('passwd', user) ?? uid, accountNumber('group', group) ?? gid];
  }
}

/** Returns undefined unless this process runs as root, because other users cannot give files away. */
export function ownersIfRoot(): OwnerLookup | undefined {
  return process.getuid?.() === 0 ? new OwnerLookup() : undefined;
}
