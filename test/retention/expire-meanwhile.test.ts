// `holdfast expire` beside readers and beside itself, and what is left when it is killed.
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ava, { type ExecutionContext } from 'ava';
import { unlistBackup } from '../../src/repository/expired-backup.ts';
import { startProcess } from '../../dev/harness/children.ts';
import { eventually, eventuallyRow } from '../support/eventually.ts';
import { asRole } from '../support/installed-database.ts';
import { moment } from '../support/moments.ts';
import { playWorker } from '../support/played-worker.ts';
import { startHoldfast } from '../support/process.ts';
import type { SqlClient } from '../support/sql-client.ts';
import { requestIn } from '../support/requests.ts';
import { retentionStage, segment, type RetentionStage } from '../support/retention-stage.ts';

const holder = fileURLToPath(new URL('../support/lock-holder.ts', import.meta.url));
/** Each has processes of its own. */
const test = ava.serial;
const two = { keep_last: 2 };

const whole = (names: string[]) => names.flatMap((name) => [name, `${name}.meta`]).sort();

/** Reads that backup until it is killed. */
async function readerOf(t: ExecutionContext, { names, directory }: RetentionStage, at: number) {
  const args = [holder, join(directory, 'backups', `${names[at]}.meta`), 'shared'];
  const reader = await startProcess(t, process.execPath, args);
  await reader.untilLine(/locked/);
  return {
    async ends() {
      reader.kill('SIGKILL');
      await reader.exited;
    },
  };
}

test('a backup that is being read stays, with all WAL after it, until its reader is gone', async (t) => {
  const stage = await retentionStage(t);
  const { names } = stage;
  await stage.policy({ keep_last: 1, recovery_window: '0' });
  const reader = await readerOf(t, stage, 1);
  t.deepEqual((await stage.expired(['--dry-run'])).stays[0]?.reasons, ['it is being read']);
  const { stays } = await stage.expired();
  t.deepEqual(
    stays.map(({ backup }) => backup),
    [names[1], names[3]],
  );
  t.deepEqual(await stage.segments(), [4, 5, 6, 7, 8, 9].map(segment));
  await reader.ends();
  t.is((await stage.expired()).goes.length, 1);
  t.deepEqual(await stage.segments(), [8, 9].map(segment));
});

test('all WAL after a backup stays while it is read, also where it is kept anyway', async (t) => {
  const stage = await retentionStage(t);
  const { names, ids, directory } = stage;
  await stage.policy({ keep_last: 1, recovery_window: '0' });
  await stage.operator.query('update holdfast.backup_request set keep = true where id = $1', [ids[0]]);
  // Timeline 3 is in use; 2 is out of the window, but the way that a restore may take.
  await mkdir(join(directory, 'wal', '0000000200000000'));
  const old = join(directory, 'wal', '0000000200000000', '000000020000000000000007.zst');
  await writeFile(old, 'segment 7');
  await utimes(old, 0, 0);
  await writeFile(join(directory, 'wal', '00000002.history'), '1\t0/7000100\tno reason\n');
  await writeFile(join(directory, 'wal', '00000003.history'), '1\t0/9000100\tno reason\n');
  const reader = await readerOf(t, stage, 0);
  t.deepEqual((await stage.expired(['--dry-run'])).wal_goes, []);
  const { stays } = await stage.expired();
  t.deepEqual(
    stays.map(({ backup, reasons }) => [backup, reasons.slice(0, 2)]),
    [
      [names[0], ['keep is set', 'it is being read']],
      [names[3], ['it is the newest', 'it is the newest that leads to timeline 1']],
    ],
  );
  t.is((await stage.segments()).length, 8);
  t.true(existsSync(old));
  await reader.ends();
  await stage.expired();
  t.deepEqual(await stage.segments(), [2, 8, 9].map(segment));
  t.false(existsSync(old));
});

test('a backup that comes to run while the database is asked keeps the WAL from its start on', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy({ keep_last: 1, recovery_window: '0' });
  const worker = await playWorker(t, stage.db);
  const id = await requestIn('starting', stage.operator, worker);
  await stage.superuser.query('begin; lock table holdfast.backup_verification in access exclusive mode');
  const asking = stage.expired(['--dry-run']);
  await eventuallyRow(
    stage.superuser,
    `select from pg_locks where relation = 'holdfast.backup_verification'::regclass and not granted`,
  );
  await worker.move(id, 'running');
  await stage.superuser.query('commit');
  t.deepEqual((await asking).wal_goes, []);
});

/** Has a backup begin in the oldest segment of the stage, whatever the played worker wrote. */
async function beginsAt(superuser: SqlClient, id: string, lsn: string): Promise<void> {
  await superuser.query('begin; set local session_replication_role = replica');
  await superuser.query(
    `update holdfast.backup_request set start_lsn = $2::pg_lsn, start_wal = '000000010000000000000002' where id = $1`,
    [id, lsn],
  );
  await superuser.query('commit');
}

for (const state of ['starting', 'running', 'complete'] as const) {
  test(`a backup that came to be ${state} while others were removed has the WAL that it needs`, async (t) => {
    const stage = await retentionStage(t, { method: 'hold' });
    await stage.policy({ keep_last: 1, recovery_window: '0' });
    const begun = join(stage.repository, 'begun');
    const script = `touch "${begun}"; while [ ! -e "${begun}.go" ]; do sleep 0.05; done`;
    const removing = stage.expired([], {
      HOLDFAST_CLUSTER_MAIN_DELETE_COMMAND: JSON.stringify(['sh', '-c', script]),
    });
    await eventually('a backup is being removed', () => existsSync(begun));
    const id = await requestIn(state, stage.operator, await playWorker(t, stage.db));
    if (state !== 'starting') await beginsAt(stage.superuser, id, '0/2000028');
    await writeFile(`${begun}.go`, '');
    t.is((await removing).goes.length, 3);
    t.deepEqual(await stage.segments(), [2, 3, 4, 5, 6, 7, 8, 9].map(segment));
  });
}

test('one expiry at a time: the second one is told so, and changes nothing', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy(two);
  const other = await startProcess(t, process.execPath, [holder, stage.directory, 'exclusive']);
  await other.untilLine(/locked/);
  const { status, stderr } = await stage.expire();
  t.is(status, 1);
  t.regex(stderr, /another expiry of cluster main is at work/);
  t.deepEqual(await stage.listed(), whole(stage.names));
  other.kill('SIGKILL');
  await other.exited;
  t.is((await stage.expired()).goes.length, 2);
});

test('several at once remove what one would have removed', async (t) => {
  const stage = await retentionStage(t, { backups: 8 });
  await stage.policy(two);
  const all = await Promise.all([stage.expire(), stage.expire(), stage.expire()]);
  for (const { status, stderr } of all) t.true(status === 0 || stderr.includes('another expiry'), stderr);
  await stage.expired();
  t.deepEqual(await stage.listed(), whole(stage.names.slice(6)));
  t.is(
    await stage.operator.value(
      'select count(*)::int from holdfast.backup_expiry where removed_at is not null',
    ),
    6,
  );
});

/** As a killed expiry may leave the first backup. */
const leftovers: Record<string, (stage: RetentionStage, place: string) => Promise<unknown>> = {
  'before anything was renamed': async () => undefined,
  'between the two renames': async ({ directory }, place) => {
    await unlistBackup(directory, String(place.split('/').at(-1)), record(place));
    await rename(`${place}.expired`, place);
  },
  'before any file was removed': ({ directory }, place) =>
    unlistBackup(directory, String(place.split('/').at(-1)), record(place)),
  'while files were removed': async ({ directory }, place) => {
    await unlistBackup(directory, String(place.split('/').at(-1)), record(place));
    await rm(join(`${place}.expired`, 'base.tar.zst'));
  },
  'before the database was told': async ({ directory }, place) => {
    await unlistBackup(directory, String(place.split('/').at(-1)), record(place));
    await rm(`${place}.expired`, { recursive: true });
  },
};
let recorded: object = {};
const record = (place: string) => ({ ...recorded, backup: place.split('/').at(-1) });
for (const [when, leave] of Object.entries(leftovers)) {
  test(`an expiry that was killed ${when} is finished by the next one`, async (t) => {
    const stage = await retentionStage(t, { backups: 3 });
    await stage.policy(two);
    const [name = ''] = stage.names;
    const place = join(stage.directory, 'backups', name);
    const { startLsn, stoppedAt, systemIdentifier } = JSON.parse(
      await readFile(join(`${place}.meta`, 'backup.json'), 'utf8'),
    ) as Record<string, string>;
    const policy = '{"keep_last": 2}';
    recorded = {
      cluster: 'main',
      request: Number(stage.ids[0]),
      method: 'copy',
      reason: 'old',
      policy,
      startLsn,
      stoppedAt,
      systemIdentifier,
    };
    const login = await asRole(t, stage.db, 'worker');
    await login.query(`select holdfast.begin_expiry('main', $1, $2, null, 'copy', $3, $4, $5, 'old', $6)`, [
      name,
      stage.ids[0],
      stoppedAt,
      systemIdentifier,
      startLsn,
      policy,
    ]);
    await leave(stage, place);
    const said = await stage.expired();
    t.is(said.finished.length + said.goes.length, 1);
    t.deepEqual(await stage.listed(), whole(stage.names.slice(1)));
    t.deepEqual(
      await stage.operator.query('select reason, removed_at is not null gone from holdfast.backup_expiry'),
      [{ reason: 'old', gone: true }],
    );
    t.deepEqual(
      await stage.operator.value(
        'select array_agg(id::text) from holdfast.backup_request where expired_at is not null',
      ),
      [stage.ids[0]],
    );
    t.deepEqual(await stage.segments(), [4, 5, 6, 7].map(segment));
  });
}

test('killed again and again, it never leaves a backup that is listed and not whole', async (t) => {
  const stage = await retentionStage(t, { backups: 8 });
  await stage.policy(two);
  const login = await asRole(t, stage.db, 'worker');
  for (const after of [300, 450, 500, 550, 600, 650, 700, 800]) {
    const running = await startHoldfast(t, stage.command, { url: login.url });
    await Promise.race([running.exited, moment(after)]);
    running.kill('SIGKILL');
    await running.exited;
    const there = await stage.listed();
    for (const name of there.filter((one) => there.includes(`${one}.meta`))) {
      t.true(existsSync(join(stage.directory, 'backups', name, 'base.tar.zst')), name);
      t.true(existsSync(join(stage.directory, 'backups', `${name}.meta`, 'backup_label')), name);
    }
    t.true(existsSync(join(stage.directory, 'latest', 'base.tar.zst')));
    const segments = await stage.segments();
    const first = Number.parseInt(String(segments[0]).slice(16), 16);
    const inRow = segments.map((_, at) => segment(first + at));
    t.deepEqual(segments, inRow, 'no hole');
  }
  await stage.expired();
  t.deepEqual(await stage.listed(), whole(stage.names.slice(6)));
  t.deepEqual(await stage.segments(), [14, 15, 16, 17].map(segment));
});
