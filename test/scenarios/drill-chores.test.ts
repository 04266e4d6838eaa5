// Drills asked for by a row, which a worker does: what the row, the views and the program say of the backup then.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { formatRepositoryBackup } from '../../src/repository/repository-backup.ts';
import { blocks, statements } from '../docs/pages.ts';
import { noChores, requestChore, untilChore } from '../support/chores.ts';
import { drillingScene } from '../support/drills.ts';
import { asRole } from '../support/installed-database.ts';
import { holdfast } from '../support/process.ts';
import { noRestore } from '../support/restored-copy.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore, noChores);

/** A block of docs/drills.md. */
function sqlOf(mark: string): string {
  const block = blocks('docs/drills.md').find((one) => one.mark === mark);
  if (block === undefined) throw new Error(`docs/drills.md has no block ${mark}`);
  return block.text;
}

test('the rows of docs/drills.md ask for drills, and whoever reads is told when a backup was proven', async (t) => {
  const scene = await drillingScene(t);
  const { directory } = await scene.backup();
  const backup = basename(directory);
  const operator = await asRole(t, scene.db, 'operator');
  t.true(await operator.value(sqlOf('overdue')));

  for (const statement of statements(sqlOf('drills').replace('20260314T020000Z-33', backup)))
    await operator.query(statement);
  const [first, second] = [
    await untilChore(operator, '1', 'complete'),
    await untilChore(operator, '2', 'complete'),
  ];
  const drilled = await operator.query('select * from holdfast.backup_drill order by id');
  t.deepEqual(
    drilled.map(({ request_id, backup: name, target, ok }) => [request_id, name, target, ok]),
    [
      ['1', backup, 'latest', true],
      ['1', backup, 'immediate', true],
    ],
  );
  for (const [at, { result, attempts, error }] of [first, second].entries()) {
    const row = drilled[at];
    t.deepEqual([attempts, error], [1, null]);
    t.like(result, { drill: at + 1, ok: true, backup });
    t.true(Number(row?.['recovery_seconds']) > 0);
    t.true(Number(row?.['restore_seconds']) > 0);
    t.true(Number(row?.['bytes']) > 1_000_000);
    t.deepEqual(
      [result?.['recovery_seconds'], result?.['restore_seconds'], result?.['bytes']].map(Number),
      [row?.['recovery_seconds'], row?.['restore_seconds'], row?.['bytes']].map(Number),
    );
  }

  t.false(await operator.value(sqlOf('overdue')));
  const [proof] = await operator.query('select * from holdfast.backup_proof where id = 1');
  t.like(proof, { drill_ok: true, proven_by: '2' });
  t.deepEqual(proof?.['proven_at'], drilled[1]?.['finished_at']);
  const reader = await asRole(t, scene.db, 'reader');
  const { stdout } = await holdfast(['status', '1'], { url: reader.url });
  t.regex(stdout, /^ *proven restorable +\S+.*: restored and recovered in /m);
  t.deepEqual(await readdir(scene.drillDirectory), []);
});

test('a drill of a request takes its backup by what was recorded, and no other one with the id', async (t) => {
  const scene = await drillingScene(t);
  const { directory, meta, description } = await scene.backup();
  const { id } = description;
  await scene.admin.query('begin');
  await scene.admin.query('set local session_replication_role = replica');
  await scene.admin.query(
    `update holdfast.backup_request set started_at = started_at + interval '1 day' where id = $1`,
    [id],
  );
  await scene.admin.query('commit');
  const operator = await asRole(t, scene.db, 'operator');
  const drill = () => requestChore(operator, 'drill', { target_immediate: true }, id);
  const done = await untilChore(operator, await drill(), 'complete');
  t.like(done.result, { ok: true, backup: basename(directory) });
  await writeFile(join(meta, 'backup.json'), formatRepositoryBackup({ ...description, timeline: 7 }));
  const failed = await untilChore(operator, await drill(), 'failed');
  t.like(failed, { error_code: 'no_such_backup', attempts: 1 });
  t.is(await scene.admin.value('select count(*)::int from holdfast.backup_drill where ok'), 1);
});

test('a drill of a damaged backup by a row is loud until one succeeds, and is not tried again', async (t) => {
  const scene = await drillingScene(t);
  const { directory } = await scene.backup();
  const operator = await asRole(t, scene.db, 'operator');
  const listener = await connect(t, scene.db.url);
  await listener.query('listen holdfast_state');
  const base = join(directory, 'base.tar.zst');
  const sound = await readFile(base);
  const damaged = Buffer.from(sound);
  damaged.writeUInt8(damaged.readUInt8(5000) ^ 0x10, 5000);
  await writeFile(base, damaged);
  const check = () => holdfast(['check'], { url: scene.workerLogin.url });

  const failed = await untilChore(operator, await requestChore(operator, 'drill'), 'failed');
  t.like(failed, { attempts: 1, error_code: 'backup_damaged' });
  t.regex(String(failed.error), /base\.tar\.zst/);
  t.like(failed.result, { drill: 1, ok: false });
  const { payload } = await listener.notification((text) => 'drill' in (JSON.parse(text) as object));
  t.like(JSON.parse(payload), { kind: 'drill', drill: 1, id: 1, ok: false, error_code: 'backup_damaged' });
  const [event] = await operator.query(
    `select detail from holdfast.backup_event where request_id = 1 and detail ? 'drill'`,
  );
  t.like(event?.['detail'], { drill: 1, ok: false, error_code: 'backup_damaged' });
  const critical = await check();
  t.is(critical.status, 2);
  t.regex(critical.stdout, /^critical cluster main: drill 1 of \S+ failed .*base\.tar\.zst/m);
  t.is(await operator.value('select proven_at from holdfast.backup_proof where id = 1'), null);
  t.deepEqual(await readdir(scene.drillDirectory), []);

  await writeFile(base, sound);
  await untilChore(operator, await requestChore(operator, 'drill', { target_immediate: true }), 'complete');
  const { stdout } = await check();
  t.regex(stdout, /^ok +cluster main, chore 2 \(drill\): complete/m);
  t.regex(stdout, /^ok +cluster main: .* was proven restorable .* \(drill 2\)$/m);
});
