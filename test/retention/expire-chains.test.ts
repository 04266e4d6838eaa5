// `holdfast expire` of chains: what an incremental copy keeps, in which order links go, and what is left of a chain when
// an expiry is killed in the middle of it.
import { existsSync } from 'node:fs';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ava, { type ExecutionContext } from 'ava';
import { BackupChains, linkName } from '../../src/repository/backup-chain.ts';
import { readCatalog } from '../../src/repository/catalog.ts';
import { unlistBackup } from '../../src/repository/expired-backup.ts';
import { startProcess } from '../../dev/harness/children.ts';
import { eventuallyRow } from '../support/eventually.ts';
import { asRole } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { startHoldfast } from '../support/process.ts';
import { requestIn } from '../support/requests.ts';
import { retentionStage, segment, type RetentionStage } from '../support/retention-stage.ts';

const holder = fileURLToPath(new URL('../support/lock-holder.ts', import.meta.url));
/** Each has processes of its own. */
const test = ava.serial;

/** Two chains of a full copy and two incremental ones. */
const twoChains = { parents: [undefined, 0, 1, undefined, 3, 4] };
const keepsOne = { keep_last: 1, recovery_window: '0' };
const whole = (names: string[]) => names.flatMap((name) => [name, `${name}.meta`]).sort();
const namesOf = (backups: { backup: string }[]) => backups.map(({ backup }) => backup);

/** The backups that are listed and cannot be restored without one that is not. */
async function orphans({ directory }: RetentionStage): Promise<string[]> {
  const catalog = await readCatalog(directory);
  const chains = new BackupChains(catalog);
  return catalog.backups.filter((backup) => chains.of(backup).broken !== undefined).map(linkName);
}

test('the chain of a backup that stays, stays, and the dry run says for which copies; the WAL of its links stays, too', async (t) => {
  const stage = await retentionStage(t, twoChains);
  const { names } = stage;
  await stage.policy(keepsOne);
  const would = await stage.expired(['--dry-run']);
  const because = [`backup ${names[5]} cannot be restored without it`];
  t.deepEqual(
    would.stays.map(({ backup, reasons }) => [backup, reasons.slice(0, 1)]),
    [
      [names[3], because],
      [names[4], because],
      [names[5], ['it is the newest']],
    ],
  );
  const { goes } = await stage.expired();
  t.deepEqual(namesOf(goes), names.slice(0, 3));
  t.deepEqual(await stage.listed(), whole(names.slice(3)));
  // Each link has its own segment; what follows is the newest one's.
  t.deepEqual(await stage.segments(), [8, 10, 12, 13].map(segment));
  t.deepEqual(
    await stage.operator.value('select array_agg(backup order by id) from holdfast.backup_expiry'),
    [names[2], names[1], names[0]],
  );
});

test('keep_last counts incremental copies, and not what only they need', async (t) => {
  const stage = await retentionStage(t, twoChains);
  await stage.policy({ keep_last: 3 });
  t.deepEqual(namesOf((await stage.expired()).goes), stage.names.slice(0, 3));
  await stage.policy({ keep_last: 2 });
  t.deepEqual((await stage.expired()).goes, []);
});

test('an incremental copy that is being read keeps its links until its reader is gone', async (t) => {
  const stage = await retentionStage(t, twoChains);
  const { names, directory } = stage;
  await stage.policy(keepsOne);
  const args = [holder, join(directory, 'backups', `${names[2]}.meta`), 'shared'];
  const reader = await startProcess(t, process.execPath, args);
  await reader.untilLine(/locked/);
  const would = await stage.expired(['--dry-run']);
  t.deepEqual(would.goes, []);
  const { stays } = await stage.expired();
  t.deepEqual(stays[0]?.reasons, [`backup ${names[2]} cannot be restored without it`]);
  t.deepEqual(await stage.listed(), whole(names));
  reader.kill('SIGKILL');
  await reader.exited;
  t.deepEqual(namesOf((await stage.expired()).goes), names.slice(0, 3));
});

test('a link whose child begins to be read during the expiry stays, as do the links before it', async (t) => {
  const stage = await retentionStage(t, { parents: [undefined, 0, 0, undefined] });
  const { names, superuser, directory } = stage;
  await stage.policy(keepsOne);
  const login = await asRole(t, stage.db, 'worker');
  await stopAt(superuser, 'update', names[1] ?? '');
  const expiring = await startHoldfast(t, stage.command, { url: login.url });
  await eventuallyRow(superuser, `select from pg_locks where ${waiting}`);
  const args = [holder, join(directory, 'backups', `${names[2]}.meta`), 'shared'];
  const reader = await startProcess(t, process.execPath, args);
  await reader.untilLine(/locked/);
  await superuser.query('select pg_advisory_unlock(42)');
  t.is((await expiring.exited).status, 0);
  t.deepEqual(await stage.listed(), whole([names[0] ?? '', names[2] ?? '', names[3] ?? '']));
  t.deepEqual(await orphans(stage), []);
});

test('a backup of which an incremental copy is being made stays', async (t) => {
  const stage = await retentionStage(t, { parents: [undefined, 0, undefined] });
  const { names, ids, operator } = stage;
  await stage.policy(keepsOne);
  const worker = await playWorker(t, stage.db);
  const id = await requestIn('running', operator, worker, { method: 'copy', incremental: true });
  await worker.client.query(
    `update holdfast.backup_request set parent = $2, incremental_from = (select start_lsn from holdfast.backup_request where id = $2)
     where id = $1`,
    [id, ids[1]],
  );
  const { goes, stays } = await stage.expired(['--dry-run']);
  t.deepEqual(goes, []);
  t.deepEqual(
    stays.slice(0, 2).map(({ reasons }) => reasons),
    [[`backup ${names[1]} cannot be restored without it`], [`backup ${id} is being made from it`]],
  );
  await operator.query(`update holdfast.backup_request set state = 'cancelled' where id = $1`, [id]);
  t.deepEqual(namesOf((await stage.expired()).goes), names.slice(0, 2));
});

test('a copy that is made from one after the expiry has planned to remove that one keeps it', async (t) => {
  const stage = await retentionStage(t, { parents: [undefined, undefined, 1, undefined] });
  const { names, ids, superuser, directory } = stage;
  await stage.policy(keepsOne);
  // Nobody knows of it yet.
  const child = join(directory, 'backups', String(names[2]));
  const aside = join(stage.repository, 'aside');
  await rename(child, aside);
  await rename(`${child}.meta`, `${aside}.meta`);
  await superuser.query('begin');
  await superuser.query('set local session_replication_role = replica');
  await superuser.query('delete from holdfast.backup_request where id = $1', [ids[2]]);
  await superuser.query('commit');
  await stopAt(superuser, 'insert', names[0] ?? '');
  const login = await asRole(t, stage.db, 'worker');
  const expiring = await startHoldfast(t, stage.command, { url: login.url });
  await eventuallyRow(superuser, `select from pg_locks where ${waiting}`);
  await rename(`${aside}.meta`, `${child}.meta`);
  await rename(aside, child);
  await superuser.query('select pg_advisory_unlock(42)');
  await expiring.exited;
  t.true(existsSync(child));
  t.deepEqual(await stage.listed(), whole(names.slice(1)));
  t.deepEqual(await orphans(stage), []);
});

const waiting = `locktype = 'advisory' and not granted
  and database = (select oid from pg_database where datname = current_database())`;

/** Whoever inserts or updates the record of that backup's expiry waits. */
async function stopAt(superuser: RetentionStage['superuser'], statement: string, backup: string) {
  await superuser.query('select pg_advisory_lock(42)');
  await superuser.query(`create or replace function wait_here() returns trigger language plpgsql set lock_timeout = 0 as
    $$ begin perform pg_advisory_xact_lock(42); return null; end $$`);
  await superuser.query(`create trigger wait_here after ${statement} on holdfast.backup_expiry
    for each row when (new.backup = '${backup}') execute function wait_here()`);
}

/** What the killed expiry had begun in the database is rolled back. */
async function goOn(superuser: RetentionStage['superuser']): Promise<void> {
  await superuser.query(`select pg_terminate_backend(pid) from pg_locks where ${waiting}`);
  await superuser.query('drop trigger wait_here on holdfast.backup_expiry');
  await superuser.query('select pg_advisory_unlock(42)');
}

async function killedAt(t: ExecutionContext, stage: RetentionStage, statement: string, backup: string) {
  const login = await asRole(t, stage.db, 'worker');
  await stopAt(stage.superuser, statement, backup);
  const expiring = await startHoldfast(t, stage.command, { url: login.url });
  await eventuallyRow(stage.superuser, `select from pg_locks where ${waiting}`);
  expiring.kill('SIGKILL');
  await expiring.exited;
  await goOn(stage.superuser);
}

test('killed at each link, before it goes and when its files are gone, an expiry leaves no orphan', async (t) => {
  const stage = await retentionStage(t, twoChains);
  const { names } = stage;
  await stage.policy(keepsOne);
  for (const name of [names[2], names[1], names[0]].map(String))
    for (const statement of ['insert', 'update']) {
      await killedAt(t, stage, statement, name);
      t.deepEqual(await orphans(stage), [], `${statement} ${name}`);
    }
  await stage.expired();
  t.deepEqual(await stage.listed(), whole(names.slice(3)));
});

test('a child that is held by now is listed again with the parent that was being removed', async (t) => {
  const stage = await retentionStage(t, { parents: [undefined, 0, undefined] });
  const { names, ids, operator, directory } = stage;
  await stage.policy(keepsOne);
  for (const at of [1, 0]) await unlistBackup(directory, String(names[at]), await noteOf(stage, at));
  await operator.query('insert into holdfast.legal_hold (request_id, reason) values ($1, $2)', [
    ids[1],
    'case 7',
  ]);
  const { relisted } = await stage.expired();
  t.deepEqual(relisted, [
    { backup: String(names[1]), reasons: ['it is under legal hold: case 7'] },
    { backup: String(names[0]), reasons: [`backup ${names[1]} cannot be restored without it`] },
  ]);
  t.deepEqual(await stage.listed(), whole(names));
  t.deepEqual(await orphans(stage), []);
});

/** What an expiry leaves beside a backup that it removes. */
async function noteOf({ directory, names, ids }: RetentionStage, at: number): Promise<object> {
  const file = join(directory, 'backups', `${names[at]}.meta`, 'backup.json');
  const { startLsn, stoppedAt, systemIdentifier } = JSON.parse(await readFile(file, 'utf8')) as Record<
    string,
    string
  >;
  const which = { cluster: 'main', backup: names[at], request: Number(ids[at]), method: 'copy' };
  return { ...which, startLsn, stoppedAt, systemIdentifier, reason: 'old', policy: '{"keep_last": 1}' };
}

test('the database refuses to let a parent go before its child', async (t) => {
  const stage = await retentionStage(t, { parents: [undefined, 0] });
  const { names, ids, superuser } = stage;
  const worker = await asRole(t, stage.db, 'worker');
  const begin = async (at: number) => {
    const [row] = await superuser.query(
      'select stopped_at, system_identifier::text, start_lsn::text from holdfast.backup_request where id = $1',
      [ids[at]],
    );
    return worker.value(
      `select holdfast.begin_expiry('main', $1, $2, null, 'copy', $3, $4, $5, 'old', null)`,
      [names[at], ids[at], row?.['stopped_at'], row?.['system_identifier'], row?.['start_lsn']],
    );
  };
  t.is(await begin(0), `backup ${ids[1]} is an incremental copy that needs it`);
  t.is(await begin(1), null);
  t.is(await begin(0), null);
});
