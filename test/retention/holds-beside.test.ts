// Legal holds and keeps also lie beside the backups, so that an expiry sees them whatever became of the database.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava from 'ava';
import { eventually } from '../support/eventually.ts';
import { asRole } from '../support/installed-database.ts';
import { holdfast, startWorkerProcess } from '../support/process.ts';
import { retentionStage, type RetentionStage } from '../support/retention-stage.ts';

/** Each has processes of its own. */
const test = ava.serial;

const keepsOne = { keep_last: 1, recovery_window: '0' };

const place = ({ directory, names }: RetentionStage, at: number) =>
  join(directory, 'backups', `${names[at]}.meta`, 'holds');

const held = async (stage: RetentionStage, at: number) =>
  (await readdir(place(stage, at)).catch((): string[] => [])).filter((name) => name.endsWith('.json'));

async function hold({ operator, ids }: RetentionStage, at: number, reason = 'case 7'): Promise<void> {
  await operator.query('insert into holdfast.legal_hold (request_id, reason) values ($1, $2)', [
    ids[at],
    reason,
  ]);
}

const keep = ({ operator, ids }: RetentionStage, at: number, value = true) =>
  operator.query('update holdfast.backup_request set keep = $2 where id = $1', [ids[at], value]);

/** As a database is that was restored to a time before they were placed. */
async function forget({ superuser }: RetentionStage): Promise<void> {
  await superuser.query('begin');
  await superuser.query('set local session_replication_role = replica');
  await superuser.query('delete from holdfast.legal_hold');
  await superuser.query('update holdfast.backup_request set keep = false, keep_changed_at = null');
  await superuser.query('commit');
}

const namesOf = (backups: { backup: string }[]) => backups.map(({ backup }) => backup);

test('a restored control database deletes nothing that was held or kept since, knows it again, and can release it', async (t) => {
  const stage = await retentionStage(t);
  const { names, ids, operator } = stage;
  await hold(stage, 0);
  await keep(stage, 1);
  await stage.policy({ keep_last: 4 });
  await stage.expired(); // brings it beside the backups, as any worker does
  t.is((await held(stage, 0)).length, 1);
  t.is((await held(stage, 1)).length, 1);

  await forget(stage);
  await stage.policy(keepsOne);
  const would = await stage.expired(['--dry-run']);
  t.deepEqual(namesOf(would.goes), [names[2]]);
  t.regex(String(would.stays[0]?.reasons), /under legal hold: case 7 .*this database does not know it/);
  const did = await stage.expired();
  t.deepEqual(namesOf(did.goes), [names[2]]);
  t.deepEqual(
    await operator.query('select request_id, reason, placed_by, released from holdfast.legal_hold'),
    [{ request_id: ids[0], reason: 'case 7', placed_by: operatorOf(stage), released: false }],
  );
  t.true(await operator.value('select keep from holdfast.backup_request where id = $1', [ids[1]]));

  await operator.query('update holdfast.legal_hold set released = true');
  await keep(stage, 1, false);
  t.deepEqual(namesOf((await stage.expired()).goes), names.slice(0, 2));
});

const operatorOf = ({ operator }: RetentionStage) => operator.role;

test('a keep that was taken back holds no longer, and one that was set again after a restore does', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy({ keep_last: 4 });
  await keep(stage, 0);
  await stage.expired();
  const [first] = await held(stage, 0);
  await keep(stage, 0, false);
  await keep(stage, 0);
  await stage.expired();
  t.is((await held(stage, 0)).length, 1);
  t.notDeepEqual(await held(stage, 0), [first]);
  await keep(stage, 0, false);
  await stage.expired();
  t.deepEqual(await held(stage, 0), []);
});

test('a keep that was set while the clock was ahead can be taken back, also in a restored control database', async (t) => {
  const stage = await retentionStage(t);
  const { superuser, operator, ids } = stage;
  await stage.policy({ keep_last: 4 });
  for (const isRestored of [false, true]) {
    await keep(stage, 0);
    await superuser.query('begin');
    await superuser.query('set local session_replication_role = replica');
    await superuser.query(
      `update holdfast.backup_request set keep_changed_at = keep_changed_at + interval '400 days' where keep`,
    );
    await superuser.query('commit');
    await stage.expired();
    t.is((await held(stage, 0)).length, 1);
    if (isRestored) await forget(stage);
    await stage.expired();
    t.true(await operator.value('select keep from holdfast.backup_request where id = $1', [ids[0]]));
    await keep(stage, 0, false);
    await stage.expired();
    t.deepEqual(await held(stage, 0), []);
  }
});

test('what lies beside a backup that the database does not know holds it, also with --unknown', async (t) => {
  const stage = await retentionStage(t);
  const { names, superuser, ids } = stage;
  await hold(stage, 0);
  await stage.policy({ keep_last: 4 });
  await stage.expired();
  await superuser.query('begin');
  await superuser.query('set local session_replication_role = replica');
  await superuser.query('delete from holdfast.legal_hold');
  await superuser.query('delete from holdfast.backup_request where id = any ($1)', [ids.slice(0, 2)]);
  await superuser.query('commit');
  await stage.policy(keepsOne);
  t.deepEqual(namesOf((await stage.expired(['--unknown'])).goes), names.slice(1, 3));
  await rm(place(stage, 0), { recursive: true });
  t.deepEqual(
    namesOf((await stage.expired(['--unknown'])).goes),
    [names[0]],
    'removing the file releases it',
  );
});

test('what lies among the holds and cannot be understood, file or directory, holds its backup alone, and is named', async (t) => {
  const stage = await retentionStage(t);
  const { names } = stage;
  await mkdir(place(stage, 0));
  await writeFile(join(place(stage, 0), 'hold-0.json'), '{"kind": "ho');
  await mkdir(join(place(stage, 1), 'stray.json'), { recursive: true });
  await stage.policy(keepsOne);
  const { goes, stays } = await stage.expired();
  t.deepEqual(namesOf(goes), names.slice(2, 3));
  t.regex(String(stays[0]?.reasons), /hold-0\.json" holds it, and cannot be read/);
  t.regex(String(stays[1]?.reasons), /stray\.json" holds it, and cannot be read/);

  await rm(place(stage, 1), { recursive: true });
  await writeFile(place(stage, 1), '');
  await stage.policy(keepsOne);
  t.regex(String((await stage.expired()).stays[1]?.reasons), /holds" holds it, and cannot be read/);
});

test('a backup elsewhere that was held is not handed to delete_command by a restored database', async (t) => {
  const stage = await retentionStage(t, { method: 'hold' });
  const { names } = stage;
  const env = { HOLDFAST_CLUSTER_MAIN_DELETE_COMMAND: '["true"]' };
  await hold(stage, 0);
  await stage.policy({ keep_last: 4 });
  await stage.expired([], env);
  await forget(stage);
  await stage.policy(keepsOne);
  const { goes, stays } = await stage.expired([], env);
  t.deepEqual(namesOf(goes), names.slice(1, 3));
  t.true(namesOf(stays).includes(String(names[0])));
  await stage.operator.query('update holdfast.legal_hold set released = true');
  t.deepEqual(namesOf((await stage.expired([], env)).goes), [names[0]]);
  t.deepEqual(await readdir(join(stage.directory, 'elsewhere')), []);
});

test('a worker writes a hold beside its backup when it is told of it, and the list says so', async (t) => {
  const stage = await retentionStage(t);
  const { url } = await asRole(t, stage.db, 'worker');
  await startWorkerProcess(t, { url, env: { HOLDFAST_REPOSITORY: stage.repository } });
  await hold(stage, 0, 'case 8');
  await eventually('the hold is there', async () => (await held(stage, 0)).length === 1, { within: 20_000 });
  const [name] = await held(stage, 0);
  const text = JSON.parse(await readFile(join(place(stage, 0), String(name)), 'utf8')) as object;
  t.like(text, { kind: 'hold', reason: 'case 8', by: stage.operator.role });
  await keep(stage, 1);
  await eventually('the keep is there', async () => (await held(stage, 1)).length === 1, { within: 20_000 });

  const list = ['restore', '--list', '--repository', stage.repository];
  const { stdout } = await holdfast(list);
  const lines = stdout.split('\n');
  t.regex(String(lines.find((line) => line.includes(String(stage.names[0])))), /held/);
  t.regex(String(lines.find((line) => line.includes(String(stage.names[1])))), /kept/);
  const json = JSON.parse((await holdfast([...list, '--json'])).stdout) as { held: object[] }[];
  t.like(json[0]?.held[0], { kind: 'hold', reason: 'case 8' });

  await stage.operator.query('update holdfast.legal_hold set released = true');
  await eventually('the hold is gone', async () => (await held(stage, 0)).length === 0, { within: 20_000 });
});
