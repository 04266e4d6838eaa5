// Where an incremental copy cannot be made, a full one is, and its warning says why and what to do.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { noTool, toolsOf } from '../../dev/debian/postgres-tools.ts';
import { usual } from '../../dev/embedded/binaries.ts';
import { formatRepositoryBackup } from '../../src/repository/repository-backup.ts';
import { chainScene, noIncrements, type ChainScene } from '../support/chains.ts';
import { untilState } from '../support/backups.ts';
import { copyScene, noCopies, run, type StoredCopy } from '../support/copies.ts';
import { eventually } from '../support/eventually.ts';
import { request } from '../support/requests.ts';
import { shared } from '../support/shared.ts';
import { connect } from '../support/sql-client.ts';
import { holdfast } from '../support/process.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noIncrements).serial;

const sharedChain = shared(import.meta.url, (t) => chainScene(t));

/** The scene of several tests, without the copies of those before. */
async function emptied(): Promise<ChainScene> {
  const chain = await sharedChain();
  const backups = join(chain.repository, 'main', 'backups');
  for (const name of await chain.names()) await rm(join(backups, name), { recursive: true });
  return chain;
}

const beginning = 'this is a full copy, although an incremental one was requested: ';

/** An incremental copy is requested, and a full one comes of it. Returns the reason. */
async function reasonOf(t: ExecutionContext, { copy }: Pick<ChainScene, 'copy'>): Promise<string> {
  const { row, description } = await copy({ incremental: true });
  t.is(description.incremental, undefined);
  t.is(row.parent, null);
  t.is(row.incremental_from, null);
  t.notRegex(String(row.backup_label), /INCREMENTAL/);
  const warning = row.warnings.find((text) => text.startsWith(beginning));
  if (warning === undefined) throw new Error(`no warning says why: ${row.warnings.join('; ')}`);
  return warning.slice(beginning.length);
}

test('the first copy is a full one, and the next an incremental one', async (t) => {
  const scene = await emptied();
  t.is(await reasonOf(t, scene), 'the repository has no copy of this cluster yet');
  t.is((await scene.increment()).description.incremental?.links, 1);
});

test('without summarize_wal the copy is full, and the setting that the warning names is enough', async (t) => {
  const scene = await chainScene(t, { settings: { summarize_wal: 'off' } });
  await scene.copy();
  const reason = await reasonOf(t, scene);
  t.regex(reason, /^summarize_wal is off: /);
  const [, statements = ''] = /\((ALTER SYSTEM .*)\)$/.exec(reason) ?? [];
  for (const statement of statements.split('; ')) await scene.admin.query(statement);
  await scene.copy();
  t.is((await scene.increment()).description.incremental?.links, 1);
});

test('a role that may not read the summaries copies in full, and the grant that the warning names is enough', async (t) => {
  const scene = await emptied();
  const functions = [
    'pg_available_wal_summaries()',
    'pg_wal_summary_contents(bigint, pg_lsn, pg_lsn)',
    'pg_get_wal_summarizer_state()',
  ];
  await scene.admin.query(`revoke execute on function ${functions.join(', ')} from public`);
  await scene.copy();
  const reason = await reasonOf(t, scene);
  for (const name of functions) t.true(reason.includes(name), name);
  await scene.admin.query(String(/GRANT EXECUTE .*$/.exec(reason)?.[0]));
  await scene.increment();
});

test('when the summaries do not reach back, the copy is full', async (t) => {
  const scene = await emptied();
  const { admin, cluster } = scene;
  const summaries = join(String(cluster.dataDirectory), 'pg_wal/summaries');
  await scene.copy();
  await admin.query('create table more as select generate_series(1, 1000) n; checkpoint');
  const redo = await admin.value<string>('select redo_lsn::text from pg_control_checkpoint()');
  const isSummarized = 'select summarized_lsn >= $1::pg_lsn from pg_get_wal_summarizer_state()';
  await eventually(`the WAL up to ${redo} is summarized`, () => admin.value<boolean>(isSummarized, [redo]));
  for (const name of await readdir(summaries)) await rm(join(summaries, name));
  t.regex(await reasonOf(t, scene), /^the server has no WAL summaries from \S+ on any more$/);
  await scene.increment();
});

test('while the summarizer is off, WAL goes by that no summary has: the copy is full', async (t) => {
  const scene = await emptied();
  const { admin, cluster } = scene;
  await scene.copy();
  await cluster.configure({ summarize_wal: 'off' });
  await admin.query('create table unseen as select generate_series(1, 1000) n');
  for (let round = 0; round < 3; round += 1)
    await admin.query('select pg_switch_wal(); checkpoint; create table again (n int); drop table again');
  await cluster.configure({ summarize_wal: 'on' });
  t.regex(await reasonOf(t, scene), /^the server('s WAL summaries end at| has no WAL summaries from) /);
  await scene.increment();
});

test('a chain grows up to max_chain, and then a full copy begins the next one', async (t) => {
  const scene = await copyScene(t, { settings: { summarize_wal: 'on' } });
  await scene.startCopier({ HOLDFAST_MAX_CHAIN: '2' });
  await scene.copy();
  const links = async () => (await scene.copy({ incremental: true })).description.incremental?.links;
  t.is(await links(), 1);
  t.is(await links(), 2);
  t.is(await reasonOf(t, scene), 'its chain has 2 incremental copies, as many as max_chain allows');
  t.is(await links(), 1);
});

test('a parent whose description, manifest or list of lengths is damaged is not used', async (t) => {
  const scene = await emptied();
  await scene.copy();
  const first = await scene.increment();
  const damage = async (file: string) => {
    const bytes = await readFile(file);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await writeFile(file, bytes);
  };
  await damage(join(first.meta, 'lengths.jsonl'));
  t.regex(
    await reasonOf(t, scene),
    /lengths\.jsonl" is damaged: its checksum is not the one in backup\.json$/,
  );
  const second = await scene.increment();
  await damage(join(second.directory, 'backup_manifest'));
  t.regex(await reasonOf(t, scene), /backup_manifest" is damaged: /);
  const third = await scene.increment();
  await damage(join(third.meta, 'backup.json'));
  const id = await scene.requestCopy({ incremental: true });
  const row = await scene.untilState(id, 'complete', { within: 60_000 });
  t.is(row.parent, third.row.parent);
  t.is(row.warnings.length, 1);
  t.regex(
    row.warnings[0] ?? '',
    /^the newest copy is not the parent: backup \S+ cannot be read: .*backup\.json/,
  );
});

test('a parent that was removed by hand or has expired is not used, nor what was made from it', async (t) => {
  const scene = await emptied();
  const full = await scene.copy();
  const first = await scene.increment();
  const gone = async ({ directory, meta }: StoredCopy) => {
    for (const path of [directory, meta]) await rm(path, { recursive: true });
  };
  await gone(full);
  const reason = await reasonOf(t, scene);
  const name = ({ directory }: StoredCopy) => directory.split('/').at(-1);
  t.is(
    reason,
    `no copy in the repository is known to be sound; backup ${name(first)} cannot be restored: its chain is broken at backup ${name(full)}, which is not in the repository`,
  );
  await scene.increment();
});

test('a copy of another minor release is not a parent', async (t) => {
  const scene = await emptied();
  const { description, meta } = await scene.copy();
  const older = { ...description, serverVersion: description.serverVersion.replace(/\.\d+/, '.0') };
  await writeFile(join(meta, 'backup.json'), formatRepositoryBackup(older));
  t.regex(await reasonOf(t, scene), /was made with PostgreSQL \d+\.0, and the server is \d+\.\d+$/);
  await scene.increment();
});

test('a copy of which the control database does not know is not a parent', async (t) => {
  const scene = await emptied();
  const { row } = await scene.copy();
  await scene.admin.query(`
    set session_replication_role = replica;
    delete from holdfast.backup_session where request_id = ${row.id};
    delete from holdfast.backup_request where id = ${row.id}`);
  t.regex(await reasonOf(t, scene), /backup \S+ is not in the control database$/);
});

testWhen(noIncrements, noTool(usual, 'pg_checksums')).serial(
  'after data checksums were switched the copy is full, and the next an incremental one',
  async (t) => {
    const scene = await chainScene(t, { version: usual, initdb: ['--data-checksums'] });
    await scene.copy();
    await scene.cluster.stop();
    const data = String(scene.cluster.dataDirectory);
    const program = join(String(toolsOf(usual, 'pg_checksums')), 'pg_checksums');
    await run(program, ['--disable', '-D', data]);
    await run('chown', ['-R', `--reference=${data}/PG_VERSION`, join(data, 'global/pg_control')]);
    await scene.cluster.start();
    const client = await connect(t, scene.db.url);
    const copied = async () => {
      const id = await request(client, { method: 'copy', fast: true, incremental: true });
      return untilState(client, id, 'complete', { within: 60_000 });
    };
    const full = await copied();
    t.is(full.parent, null);
    t.true(full.warnings.some((warning) => warning.endsWith('is of another setting of data checksums')));
    t.is((await copied()).parent, full.id);
  },
);

testWhen(noCopies).serial('PostgreSQL 16 makes no summaries: the copy is full', async (t) => {
  const scene = await copyScene(t, { version: 16 });
  await scene.startCopier();
  await scene.copy();
  t.is(await reasonOf(t, scene), 'PostgreSQL 16 makes no WAL summaries, which 17 and newer do');
});

test('method hold is not incremental, whoever asks', async (t) => {
  const { admin, db } = await copyScene(t);
  await t.throwsAsync(admin.query(`insert into holdfast.backup_request (incremental) values (true)`), {
    message: /go with method copy, and this request has method "hold"/,
  });
  const { status, stderr } = await holdfast(['--database-url', db.url, 'start', '--incremental']);
  t.is(status, 1);
  t.regex(stderr, /incremental go with method copy/);
  t.regex(stderr, /--method copy/);
});
