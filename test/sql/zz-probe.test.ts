import test from 'ava';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { connect } from '../support/sql-client.ts';
const tryIt = async (t: any, what: string, p: Promise<any>) => {
  try {
    t.log(what, 'OK', JSON.stringify(await p));
  } catch (e: any) {
    t.log(what, 'ERR', e.code, e.message, e.detail ?? '', e.hint ?? '');
  }
};
test('forge', async (t) => {
  const db = await installedDatabase(t);
  const su = await connect(t, db.url);
  const r = await asRole(t, db, 'requester');
  await tryIt(
    t,
    'forge',
    r.query(`create temp table f (id bigint, cluster text, state text, moved_by text, worker text, error_code text, error text);
   create trigger f after insert on f for each row execute function holdfast.record_backup_event();
   insert into f values (99, 'main', 'complete', 'postgres', 'x', null, null)`),
  );
  t.log(await su.query('select * from holdfast.backup_event'));
  t.pass();
});
test('on conflict lock', async (t) => {
  const db = await installedDatabase(t);
  const su = await connect(t, db.url);
  const w = await playWorker(t, db);
  const a = await asRole(t, db, 'requester');
  const b = await asRole(t, db, 'requester');
  const id = await a.value<string>(
    `insert into holdfast.backup_request (label) values ('nightly') returning id`,
  );
  await b.query('begin');
  await tryIt(
    t,
    'lock',
    b.query(
      `insert into holdfast.backup_request as r (label) values ('nightly') on conflict (cluster, label) where state in ('requested', 'starting', 'running', 'done') do update set state = 'cancelled' where r.state = 'nothing'`,
    ),
  );
  await w.client.query(`set lock_timeout = '300ms'`);
  await tryIt(t, 'claim', w.run(id));
  await b.query('rollback');
  await tryIt(t, 'cancel others', b.query(`call holdfast.cancel_backup(${id})`));
  await tryIt(t, 'stop others', b.query(`call holdfast.stop_backup(id => ${id}, timeout => '1 s')`));
  t.log(await su.query('select state from holdfast.backup_request'));
  t.pass();
});
test('bombs', async (t) => {
  const db = await installedDatabase(t);
  const w = await playWorker(t, db);
  const a = await asRole(t, db, 'requester');
  for (const depth of [1000, 2000, 4000, 5000, 6000, 6200, 6400, 6600, 6800, 7000, 8000]) {
    try {
      const id = await a.value<string>(
        `insert into holdfast.backup_request (annotations) values ((repeat('[', ${depth}) || repeat(']', ${depth}))::jsonb) returning id`,
      );
      await w.run(id);
    } catch (e: any) {
      t.log(depth, e.code, e.message, e.where);
    }
    await w.client.query('rollback');
  }
  const t0 = Date.now();
  await tryIt(
    t,
    'big',
    a
      .value<string>(
        `insert into holdfast.backup_request (annotations) select jsonb_agg(repeat('x', 1000000)) from generate_series(1, 100) returning id`,
      )
      .then((id) => w.run(id))
      .then(() => 0),
  );
  t.log(Date.now() - t0);
  await tryIt(
    t,
    'interval',
    a
      .value<string>(
        `insert into holdfast.backup_request (hold_timeout) values ('170000000 years') returning id`,
      )
      .then((id) => w.run(id))
      .then(() => 0),
  );
  t.pass();
});
test('hijack', async (t) => {
  const db = await installedDatabase(t);
  const w = await playWorker(t, db);
  const v = await playWorker(t, db);
  const a = await asRole(t, db, 'requester');
  const id = await a.value<string>(`insert into holdfast.backup_request default values returning id`);
  await w.run(id);
  await tryIt(t, 'foreign fail', v.move(id, 'failed'));
  await tryIt(t, 'hijack', v.client.query('update holdfast.backup_session set instance = $1', [v.instance]));
  await tryIt(t, 'foreign fail', v.move(id, 'failed'));
  t.pass();
});
test('cve', async (t) => {
  const db = await installedDatabase(t);
  const su = await connect(t, db.url);
  await su.query(`grant create on schema public to public`);
  const a = await asRole(t, db, 'requester');
  await a.query(
    `create function public.array_position(text[], text) returns int language plpgsql as $$ begin raise warning 'pwned as %', current_user; return 1; end $$`,
  );
  await a.query(
    `create function public.evil(double precision, numeric) returns double precision language plpgsql as $$ begin raise warning 'pwned as %', current_user; return 1; end $$`,
  );
  await a.query(
    `create operator public.* (leftarg = double precision, rightarg = numeric, function = public.evil)`,
  );
  const id = await a.value<string>(`insert into holdfast.backup_request default values returning id`);
  await tryIt(t, 'wait', su.query(`call holdfast.wait_for_backup(${id}, 'running', '100ms')`));
  t.log(su.notices.slice(0, 3));
  t.pass();
});
