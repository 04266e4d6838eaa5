/**
 * Looks up the names of users and groups, for messages and tar headers: tar restores owners by name where possible.
 */
import { readFileSync } from 'node:fs';

/**
 * Returns a lookup that looks each number up once. The system may know more accounts than its files, for example from a
 * directory service; the system is asked only for these, since it takes a process.
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
    const isOfNumber = entryOf(id);
    const name = (fromFile(database).find(isOfNumber) ?? accountEntry(database, id))?.[0] ?? '';
    known.set(id, name);
    return name;
  };
}

/**
 * Returns the fields of the account's entry; undefined where this host has no such account. What the system says counts
 * more than what its files say.
 */
export function accountEntry(database: 'passwd' | 'group', id: number): string[] | undefined {
  return find(database, String(id), entryOf(id));
}

function entryOf(id: number): (fields: string[]) => boolean {
  return (fields) => fields[2] === String(id) && fields[0] !== '';
}

/** Returns the number of the user or the group; undefined where this host has no account of that name. */
export function accountNumber(database: 'passwd' | 'group', name: string): number | undefined {
  if (!/^[^-\d\s:][^\s:]*$/.test(name)) return undefined; // getent(1) would take it for an option, or for a number
  const number = find(database, name, (fields) => fields[0] === name)?.[2] ?? '';
  return /^\d+$/.test(number) ? Number(number) : undefined;
}

function find(database: string, key: string, fits: (fields: string[]) => boolean): string[] | undefined {
  return askSystem(database, key).find(fits) ?? fromFile(database).find(fits);
}

/** Returns no entry where getent(1) does not exist, or does not know the key. */
function askSystem(database: string, key: string): string[][] {
  // loaded only here: threads load this module, and hardly ever ask
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const { status, stdout } = spawnSync('getent', [database, key], {
    encoding: 'latin1',
    timeout: patience,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return status === 0 ? entriesIn(stdout) : [];
}

function fromFile(database: string): string[][] {
  try {
    return entriesIn(readFileSync(`/etc/${database}`, 'latin1'));
  } catch {
    return []; // the number is known in any case
  }
}

function entriesIn(text: string): string[][] {
  return text.split('\n').map((line) => line.split(':'));
}
