/**
 * Who is to own what is restored: by name where this host knows it, as the numbers may be others than on the host of
 * the backup; else by number.
 */
import { readFileSync } from 'node:fs';
import type { TarMember } from '../repository/tar.ts';

export class OwnerLookup {
  readonly #users = namesIn('/etc/passwd');
  readonly #groups = namesIn('/etc/group');

  /** User and group. */
  of({ user, group, uid, gid }: Pick<TarMember, 'user' | 'group' | 'uid' | 'gid'>): [number, number] {
    return [this.#users.get(user) ?? uid, this.#groups.get(group) ?? gid];
  }
}

/** undefined: only root may give files away, everybody else keeps them. */
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
