/**
 * Looks up the names of users and groups, for messages and tar headers: tar restores owners by name where possible.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * Returns a lookup that asks the system once per number. The system may know more accounts than its files, for
 * example from a directory service.
 */
export function ownerNames(): (uid: number, gid: number) => { user: string; group: string } {
  const users = namesOf('passwd');
  const groups = namesOf('group');
  return (uid, gid) => ({ user: users(uid), group: groups(gid) });
}

/** Returns the name of a user for messages; the number where there is no name. */
export function userName(uid: number): string {
  return namesOf('passwd')(uid) || String(uid);
}

/** Milliseconds to wait for a directory service that does not answer. */
const patience = 5000;

function namesOf(database: 'passwd' | 'group'): (id: number) => string {
  const known = new Map<number, string>();
  return (id) => {
    const found = known.get(id);
    if (found !== undefined) return found;
    const name = accountEntry(database, id)?.[0] ?? '';
    known.set(id, name);
    return name;
  };
}

/** Returns the fields of the account's entry; undefined where this host has no such account. */
export function accountEntry(database: 'passwd' | 'group', id: number): string[] | undefined {
  return askSystem(database, id) ?? fromFile(database, id);
}

/** Returns undefined where getent(1) does not exist, or the id does not. */
function askSystem(database: string, id: number): string[] | undefined {
  const { status, stdout } = spawnSync('getent', [database, String(id)], {
    encoding: 'latin1',
    timeout: patience,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return status === 0 ? entryIn(stdout.split('\n'), id) : undefined;
}

function fromFile(database: string, id: number): string[] | undefined {
  try {
    return entryIn(readFileSync(`/etc/${database}`, 'latin1').split('\n'), id);
  } catch {
    return undefined; // the number is known in any case
  }
}

function entryIn(lines: string[], id: number): string[] | undefined {
  return lines.map((line) => line.split(':')).find((fields) => fields[2] === String(id) && fields[0] !== '');
}
