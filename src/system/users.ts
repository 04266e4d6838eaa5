/** The names of users and groups: for messages, and for tar headers, as tar restores owners by name where it can. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Asks the system, which may know more than its files do (a directory service), once for each number. */
export function ownerNames(): (uid: number, gid: number) => { user: string; group: string } {
  const users = namesOf('passwd');
  const groups = namesOf('group');
  return (uid, gid) => ({ user: users(uid), group: groups(gid) });
}

/** For messages: the number, where it has no name. */
export function userName(uid: number): string {
  return namesOf('passwd')(uid) || String(uid);
}

/** Milliseconds for a service that does not answer. */
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

/** The fields of its entry; undefined: nobody here knows that number. */
export function accountEntry(database: 'passwd' | 'group', id: number): string[] | undefined {
  return askSystem(database, id) ?? fromFile(database, id);
}

/** undefined: there is no such program, or no such id. */
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
    return undefined; // the numbers are there in any case
  }
}

function entryIn(lines: string[], id: number): string[] | undefined {
  return lines.map((line) => line.split(':')).find((fields) => fields[2] === String(id) && fields[0] !== '');
}
