// The label of an incremental copy: which directories get it, and with which lines.
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { noTool } from '../../dev/debian/postgres-tools.ts';
import { usual } from '../../dev/embedded/binaries.ts';
import { chainScene, combined, extractedLinks, noIncrements } from '../support/chains.ts';
import { run, started, type StoredCopy } from '../support/copies.ts';
import { holdfast } from '../support/process.ts';
import { shared } from '../support/shared.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const version = Number(process.env['TEST_PG_VERSION'] ?? usual);
const test = testWhen(noIncrements, noTool(version, 'pg_combinebackup')).serial;

const labelOf = (directory: string) => readFile(join(directory, 'backup_label'), 'utf8');
const incrementalLines = /^INCREMENTAL FROM .*\n/gm;

/** Nobody changes them. */
const twoLinks = shared(import.meta.url, async (t) => {
  const scene = await chainScene(t);
  await scene.admin.query('create table kept as select generate_series(1, 10000) n');
  const full = await scene.copy();
  await scene.admin.query('insert into kept values (0)');
  const last = await scene.increment();
  return { scene, full, last, whole: String(last.row.backup_label).replaceAll(incrementalLines, '') };
});

function place({ row }: StoredCopy, repository: string, directory: string) {
  const from = ['--from-repository', repository, '--data-directory', directory];
  return holdfast(['place', row.id, ...from]);
}

test('a combined data directory gets the label without the lines by which PostgreSQL refuses to start', async (t) => {
  const { scene, full, last, whole } = await twoLinks();
  const cluster = await combined(t, [full, last], version);
  const directory = cluster.dataDirectory;
  t.is(await labelOf(directory), whole);
  const again = await place(last, scene.repository, directory);
  t.is(again.status, 0, again.stderr);
  t.is(await labelOf(directory), whole);

  await rm(join(directory, 'backup_label'));
  const labelled = await holdfast([
    'label',
    last.row.id,
    '--from-repository',
    scene.repository,
    '--to',
    directory,
  ]);
  t.is(labelled.status, 0, labelled.stderr);
  t.is(labelled.stderr, '');
  t.is(await labelOf(directory), whole);

  await rm(join(directory, 'backup_label'));
  const placed = await place(last, scene.repository, directory);
  t.is(placed.status, 0, placed.stderr);
  t.is(await labelOf(directory), whole);
  await run('chown', [`--reference=${directory}/PG_VERSION`, join(directory, 'backup_label')]);
  const client = await started(t, cluster, scene.db.name);
  t.is(await client.value('select count(*)::int from kept'), 10_001);
});

test('an incremental copy that was not combined gets no label, and the hint says what to type', async (t) => {
  const { scene, full, last } = await twoLinks();
  const [, alone = ''] = await extractedLinks(t, [full, last]);
  for (const there of [true, false]) {
    if (!there) await rm(join(alone, 'backup_label'));
    const { status, stderr } = await place(last, scene.repository, alone);
    t.is(status, 1);
    t.true(stderr.includes(`"${alone}" is the incremental copy ${last.row.id} `), stderr);
    t.regex(stderr, new RegExp(`hint: .*"holdfast restore ${last.row.id}".*pg_combinebackup`));
  }
  await t.throwsAsync(labelOf(alone), { code: 'ENOENT' });
});

test('holdfast label writes the label of an incremental copy byte for byte, and warns', async (t) => {
  const { scene, full, last } = await twoLinks();
  const from = ['--from-repository', scene.repository];
  const written = async ({ row }: StoredCopy) => {
    const to = join(await temporaryDirectory(t), 'label');
    const { status, stderr } = await holdfast(['label', row.id, ...from, '--to', to]);
    t.is(status, 0, stderr);
    t.is(await labelOf(to), String(row.backup_label));
    return stderr;
  };
  t.is(await written(full), '');
  const warned = await written(last);
  t.regex(warned, new RegExp(`warning: backup ${last.row.id} is an incremental copy`));
  t.regex(warned, new RegExp(`hint: restore it with "holdfast restore ${last.row.id}"`));
});
