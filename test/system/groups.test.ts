import { readFileSync } from 'node:fs';
import test from 'ava';
import { groupOf } from '../../src/system/groups.ts';

const rows = (file: string) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(':'));

test('a user has only groups that are his on this host, whatever a backup says', (t) => {
  const [name = '', , uid = '', gid = ''] = rows('/etc/passwd').find(([, , id]) => Number(id) > 0) ?? [];
  const own = Number(gid);
  t.is(groupOf(Number(uid), own), own);
  const groups = rows('/etc/group').filter(([, , id]) => id !== undefined && Number(id) !== own);
  for (const [, , id = '', members = ''] of groups) {
    const his = members.split(',').includes(name) ? Number(id) : own;
    t.is(groupOf(Number(uid), Number(id)), his === 0 ? undefined : his, id);
  }

  const nobody = 1_999_999_999;
  t.is(groupOf(nobody, nobody + 1), nobody + 1, 'nobody here knows either');
  t.is(groupOf(nobody, 0), nobody);
  t.is(groupOf(Number(uid), nobody), own);
  const users = rows('/etc/passwd').map(([, , id]) => id);
  const [, , another = ''] = groups.find(([, , id]) => Number(id) > 0 && !users.includes(id)) ?? [];
  t.not(another, '', 'there is a group whose number is no user');
  t.is(groupOf(Number(another), 0), undefined, 'a number that is somebody else as a group');
});
