// A legal hold of an incremental copy holds its links, also for whoever does not see the copy.
import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { decideHolds, whyUnknownHolds } from '../../src/retention/decide-holds.ts';
import type { HeldRequest } from '../../src/control/legal-holds.ts';
import { retentionStage, type RetentionStage } from '../support/retention-stage.ts';

const keepsOne = { keep_last: 1, recovery_window: '0' };
const whole = (names: string[]) => names.flatMap((name) => [name, `${name}.meta`]).sort();
const namesOf = (backups: { backup: string }[]) => backups.map(({ backup }) => backup);

const holdsOf = async ({ directory, names }: RetentionStage, at: number) =>
  (await readdir(join(directory, 'backups', `${names[at]}.meta`, 'holds')).catch((): string[] => [])).filter(
    (name) => name.endsWith('.json'),
  );

test('a legal hold of an incremental copy lies beside its links, too, and is over with it', async (t) => {
  const stage = await retentionStage(t, { parents: [undefined, 0, 1, undefined, 3, 4] });
  const { names, ids, operator, superuser, directory } = stage;
  await operator.query('insert into holdfast.legal_hold (request_id, reason) values ($1, $2)', [
    ids[1],
    'case 7',
  ]);
  await stage.policy({ keep_last: 6 });
  await stage.expired();
  t.deepEqual(
    await Promise.all([0, 1, 2, 3].map(async (at) => (await holdsOf(stage, at)).length)),
    [1, 1, 0, 0],
  );

  await stage.policy(keepsOne);
  const { goes, stays } = await stage.expired(['--dry-run']);
  t.deepEqual(namesOf(goes), [names[2]]);
  t.deepEqual(stays[0]?.reasons, [`backup ${names[1]} cannot be restored without it`]);

  // Whoever does not see the incremental copy sees what holds its links.
  const aside = join(stage.repository, 'aside');
  const child = join(directory, 'backups', String(names[1]));
  for (const suffix of ['', '.meta']) await rename(child + suffix, aside + suffix);
  await superuser.query('begin');
  await superuser.query('set local session_replication_role = replica');
  await superuser.query('delete from holdfast.legal_hold');
  await superuser.query('commit');
  const without = await stage.expired(['--dry-run']);
  t.regex(
    String(without.stays[0]?.reasons),
    new RegExp(`backup ${names[1]} cannot be restored without it, and is under legal hold: case 7 \\(by`),
  );
  await stage.expired();
  t.like(await operator.query('select request_id, reason from holdfast.legal_hold'), [
    { request_id: ids[1], reason: 'case 7' },
  ]);
  for (const suffix of ['', '.meta']) await rename(aside + suffix, child + suffix);

  await operator.query('update holdfast.legal_hold set released = true');
  const after = await stage.expired();
  t.deepEqual(namesOf(after.goes), names.slice(0, 3));
  t.deepEqual(await stage.listed(), whole(names.slice(3)));
});

const backup = (id: number) => ({
  id,
  name: `2026010${id}T000000Z-${id}`,
  method: 'copy',
  systemIdentifier: '7',
  startLsn: `0/${id}000028`,
});
const request = (id: number, more: Partial<HeldRequest> = {}): HeldRequest => ({
  ...backup(id),
  startedAt: new Date(`2026-01-0${id}T00:00:00Z`),
  origin: 'here',
  keep: false,
  keepChangedAt: null,
  keptSince: '2026-01-01T00:00:00.000000Z',
  requestedBy: 'dba',
  holds: [],
  ...more,
});

test('each link gets the holds and the keep of the copies that stand on it, and its own', (t) => {
  const known = [request(1, { keep: true }), request(2, { keep: true }), request(3)];
  const { write, remove, unknown } = decideHolds(backup(1), known, [], [backup(2), backup(3)]);
  t.deepEqual(
    write.map(({ kind, for: name, startLsn }) => [kind, name, startLsn]),
    [
      ['keep', undefined, '0/1000028'],
      ['keep', backup(2).name, '0/2000028'],
    ],
  );
  t.deepEqual([remove, unknown], [[], []]);
});

test('a hold file of a copy that stands on the link goes with the hold, and not before', (t) => {
  const held = request(2, { keep: true });
  const [hold] = decideHolds(backup(1), [held], [], [backup(2)]).write;
  const found = [{ path: '/holds/keep-1.json', hold }];
  const said = (known: HeldRequest[], children = [backup(2)]) =>
    decideHolds(backup(1), known, found, children);
  t.deepEqual(said([held]), { write: [], remove: [], unknown: [] });
  const over = { ...held, keep: false, keepChangedAt: '2026-01-05T00:00:00.000000Z' };
  t.deepEqual(said([over]).remove, found);
  t.deepEqual(said([over], []).remove, found, 'though the copy is not there');
  t.deepEqual(said([]).unknown, found, 'this database does not know it');
  t.deepEqual(said([held], []).unknown, found, 'the copy is not there, and held');
  t.is(
    found.map(whyUnknownHolds)[0],
    `backup ${backup(2).name} cannot be restored without it, and has keep set (by dba at 2026-01-01T00:00:00Z, says "/holds/keep-1.json")`,
  );
});
