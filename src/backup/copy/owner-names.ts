/** The names of users and groups, for tar headers: tar restores owners by name where it can. */
import { readFileSync } from 'node:fs';

export function ownerNames(): (uid: number, gid: number) => { user: string; group: string } {
  const users = namesIn('/etc/passwd');
  const groups = namesIn('/etc/group');
  return (uid, gid) => ({ user: users.get(uid) ?? '', group: groups.get(gid) ?? '' });
}

function namesIn(file: string): Map<number, string> {
  try {
    const lines = readFileSync(file, 'latin1').split('\n');
    const entries = lines.map((line) => line.split(':')).filter(([, , id]) => /^\d+$/.test(id ?? ''));
    return new Map(entries.map(([name = '', , id]) => [Number(id), name] as const));
  } catch {
    return new Map(); // the numbers are there in any case
  }
}
