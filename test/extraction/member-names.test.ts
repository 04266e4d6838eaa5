// Which names and types of tar members are restored. What a restore says of them: scenarios/restore-as-root.
import test from 'ava';
import { safeName } from '../../src/extraction/member-names.ts';
import { parseHeader } from '../../src/repository/tar.ts';
import { memberBytes } from '../support/forged-backup.ts';

const base = 'base.tar.zst';

test('a name that leads out of the data directory is refused, wherever in it', (t) => {
  for (const name of ['/etc/x', '../x', 'base/../../x', 'base/..', './x', 'base//x', 'base/x\0', ''])
    t.throws(() => safeName(base, name, 18), { message: /leads elsewhere$/ }, name);
  for (const name of ['PG_VERSION', 'base/5/1259', 'odd..name', '...']) t.is(safeName(base, name, 18), name);
});

test('of a tablespace only what is below the directory of its version is taken', (t) => {
  t.is(safeName('16384.tar.zst', 'PG_18_202506291/5/16385', 18), 'PG_18_202506291/5/16385');
  for (const name of ['authorized_keys', 'PG_17_202406281/5/16385', 'PG_18_x/5', 'base/5'])
    t.throws(() => safeName('16384.tar.zst', name, 18), { message: /is not below the directory/ }, name);
});

test('links, devices and pipes are no members', (t) => {
  for (const type of ['1', '2', '3', '4', '6', '7'])
    t.throws(
      () => parseHeader(memberBytes({ name: 'way' }, undefined, { type, link: 'PG_VERSION' })),
      { message: `a tar member has the type "${type}"` },
      type,
    );
});
