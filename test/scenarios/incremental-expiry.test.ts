// Retention over chains that a worker has made of a real server: what stays can be restored, whenever an expiry was
// killed, and what is being made keeps what it is made from.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { BackupChains, linkName } from '../../src/repository/backup-chain.ts';
import { readCatalog, type StoredBackup } from '../../src/repository/catalog.ts';
import { eventually, eventuallyRow } from '../support/eventually.ts';
import { asRole, type Login } from '../support/installed-database.ts';
import { holdfast, startHoldfast } from '../support/process.ts';
import { repositoryScene, type RepositoryScene } from '../support/repository-scene.ts';
import { cancel, request } from '../support/requests.ts';
import { noCopies } from '../support/copies.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noCopies).serial;

interface ExpiryScene extends RepositoryScene {
  /** As the worker's login; has to succeed. */
  expire: (...args: string[]) => Promise<{ goes: string[]; stays: { backup: string; reasons: string[] }[] }>;
  /** keep_last. */
  keepLast: (count: number) => Promise<unknown>;
  /** An incremental copy, made without a warning from the one before. */
  increment: () => Promise<StoredBackup>;
}

async function expiryScene(t: ExecutionContext): Promise<ExpiryScene> {
  const scene = await repositoryScene(t, { settings: { summarize_wal: 'on' } });
  const { admin } = scene;
  await admin.query(
    'create table account as select id, repeat($1, 400) as filler from generate_series(1, 20000) id',
    ['x'],
  );
  return {
    ...scene,
    async keepLast(count) {
      await admin.query('delete from holdfast.retention_policy');
      await admin.query(`insert into holdfast.retention_policy (cluster, keep_last) values ('main', $1)`, [
        count,
      ]);
    },
    async expire(...args) {
      const { stdout, stderr, status } = await holdfast([...command(scene), '--json', ...args], {
        url: scene.workerLogin.url,
      });
      if (status !== 0) throw new Error(stderr + stdout);
      const [{ goes, stays }] = JSON.parse(stdout) as [
        { goes: { backup: string }[]; stays: { backup: string; reasons: string[] }[] },
      ];
      return { goes: goes.map(({ backup }) => backup), stays };
    },
    async increment() {
      await admin.query('update account set filler = filler where id % 1000 = 7');
      const copy = await scene.backup({ incremental: true });
      const warnings = await admin.value('select warnings from holdfast.backup_request where id = $1', [
        copy.description.id,
      ]);
      t.deepEqual([copy.description.incremental === undefined, warnings], [false, []]);
      return copy;
    },
  };
}

const command = ({ repository }: RepositoryScene) => ['expire', '--repository', repository];
const names = (backups: StoredBackup[]) => backups.map(linkName);

/** What is listed, after everything that a restore of it reads has been looked at. */
async function soundBackups(t: ExecutionContext, { directory }: RepositoryScene): Promise<string[]> {
  const catalog = await readCatalog(directory);
  const chains = new BackupChains(catalog);
  for (const backup of catalog.backups) {
    const segments = await readdir(join(backup.directory, 'pg_wal'));
    t.true(segments.includes(`${backup.description.startWal}.zst`), linkName(backup));
    for (const { directory: link } of chains.require(backup))
      for (const file of ['base.tar.zst', 'backup_manifest'])
        t.true((await readFile(join(link, file))).length > 0, `${link}/${file}`);
  }
  return catalog.backups.map(linkName);
}

test('with keep_last chains stay as far as what is kept needs them', async (t) => {
  const it = await expiryScene(t);
  const old = [await it.backup(), await it.increment(), await it.increment()];
  const full = await it.backup();
  const last = await it.increment();
  await it.archiveAll();
  await it.keepLast(3);
  t.deepEqual((await it.expire()).goes, [], 'the third from the end stands on two others');
  await it.keepLast(2);
  const would = await it.expire('--dry-run');
  t.deepEqual(would.goes, names(old));
  t.deepEqual((await it.expire()).goes, names(old));
  t.deepEqual(await soundBackups(t, it), names([full, last]));
  t.deepEqual(
    await it.admin.value('select array_agg(backup order by id) from holdfast.backup_expiry'),
    names(old).toReversed(),
  );

  await it.keepLast(1);
  const { goes, stays } = await it.expire();
  t.deepEqual(goes, []);
  t.deepEqual(stays[0]?.reasons, [`backup ${linkName(last)} cannot be restored without it`]);
  t.true((await it.increment()).description.incremental?.links === 2, 'the chain goes on');
});

const waiting = `locktype = 'advisory' and not granted
  and database = (select oid from pg_database where datname = current_database())`;

/** Ends an expiry as it writes that of the backup. */
async function killAt(
  t: ExecutionContext,
  scene: ExpiryScene,
  { statement, backup }: { statement: string; backup: string },
) {
  const { admin } = scene;
  await admin.query('select pg_advisory_lock(42)');
  await admin.query(`create or replace function wait_here() returns trigger language plpgsql set lock_timeout = 0 as
    $$ begin perform pg_advisory_xact_lock(42); return null; end $$`);
  await admin.query(`create trigger wait_here after ${statement} on holdfast.backup_expiry
    for each row when (new.backup = '${backup}') execute function wait_here()`);
  const expiring = await startHoldfast(t, command(scene), { url: scene.workerLogin.url });
  await eventuallyRow(admin, `select from pg_locks where ${waiting}`);
  expiring.kill('SIGKILL');
  await expiring.exited;
  await admin.query(`select pg_terminate_backend(pid) from pg_locks where ${waiting}`);
  await admin.query('drop trigger wait_here on holdfast.backup_expiry');
  await admin.query('select pg_advisory_unlock(42)');
}

test('an expiry that is killed between the links of a chain leaves only backups that can be restored', async (t) => {
  const it = await expiryScene(t);
  const old = [await it.backup(), await it.increment(), await it.increment()];
  const full = await it.backup();
  await it.keepLast(1);
  for (const backup of names(old).toReversed())
    for (const statement of ['insert', 'update']) {
      await killAt(t, it, { statement, backup });
      await soundBackups(t, it);
    }
  await it.expire();
  t.deepEqual(await soundBackups(t, it), names([full]));
});

test('while an incremental copy is being made, no expiry removes what it is made from', async (t) => {
  const it = await expiryScene(t);
  const old = [await it.backup(), await it.increment()];
  await it.keepLast(1);
  const operator: Login = await asRole(t, it.db, 'operator');
  const id = await request(operator, { method: 'copy', fast: true, incremental: true, rate_limit: 32_768 });
  await eventuallyRow(
    it.admin,
    `select from holdfast.backup_request where id = ${id} and parent is not null`,
  );
  const full = await it.backup();
  const { goes, stays } = await it.expire();
  t.deepEqual(goes, []);
  const said = stays.find(({ backup }) => backup === names(old)[1]);
  t.true(said?.reasons.includes(`backup ${id} is being made from it`), String(said?.reasons));
  await cancel(operator, id);
  await it.untilState(id, 'cancelled');
  // The worker may be ending the copy still, and has the links locked for as long.
  await eventually('its links are removed', async () => (await it.expire()).goes.length > 0);
  t.deepEqual(await soundBackups(t, it), names([full]));
});
