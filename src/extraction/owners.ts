/**
 * Determines the owner of restored files: by name where this host knows the name, because the numbers may differ from
 * those on the host of the backup, or else by number.
 */
import { readFileSync } from 'node:fs';
import type { TarMember } from '../repository/tar.ts';

/** Maps user and group names to ids of this host. */
export class OwnerLookup {
  readonly #users = namesIn('/etc/passwd');
  readonly #groups = namesIn('/etc/group');

  /** Returns the user id and the group id. */
  of({ user, group, uid, gid }: Pick<TarMember, 'user' | 'group' | 'uid' | 'gid'>): [number, number] {
    return [this.#users.get(user) ?? uid, this.#groups.get(group) ?? gid];
  }
}

/** Returns undefined unless this process runs as root, because other users cannot give files away. */
export function ownersIfRoot(): OwnerLookup | undefined {
  return process.getuid?.() === 0 ? new OwnerLookup() : undefined;
}

function namesIn(file: string): Map<string, number> {
  try {
    const rows = readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.split(':'));
    return new Map(rows.flatMap(([name, , number]) => (name && number ? [[name, Number(number)]] : [])));
  } catch {
    return new Map();
  }
}
