// What a walk finds, in a directory that looks like a data directory.
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { findTrees, walk } from '../../../src/backup/copy/walk.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const version = 'PG_18_202506291';

async function layoutOf(t: ExecutionContext, files: string[], major = 18) {
  const root = await temporaryDirectory(t);
  const data = join(root, 'data');
  for (const file of files) {
    const path = Buffer.from(join(data, file), 'latin1');
    await mkdir(join(data, file, '..'), { recursive: true });
    if (file.endsWith('/')) await mkdir(path, { recursive: true });
    else await writeFile(path, 'x');
  }
  await mkdir(join(data, 'pg_tblspc'), { recursive: true });
  return { root, data, layout: () => findTrees(data, version, major) };
}

function paths(layout: ReturnType<typeof findTrees>): string[][] {
  return layout.trees.map((tree) => [...walk(tree, layout)].map(({ path }) => path).sort());
}

test('directories come before what is in them, and what is left out is not there', async (t) => {
  const { layout } = await layoutOf(t, [
    'PG_VERSION',
    'postmaster.pid',
    'base/5/16384',
    'base/5/16384_init',
    'base/5/16384_vm',
    'base/5/16385',
    'base/5/t3_16386',
    'base/5/pgsql_tmp/x',
    'pg_wal/000000010000000000000001',
    'pg_wal/archive_status/000000010000000000000001.done',
    'pg_replslot/slot/state',
  ]);
  const found = [...walk(layout().trees[0] ?? t.fail(), layout())].map(({ name }) => name);
  for (const name of found) {
    const parent = name.slice(0, Math.max(0, name.lastIndexOf('/')));
    if (parent !== '') t.true(found.indexOf(parent) < found.indexOf(name), name);
  }
  t.deepEqual(found.sort(), [
    'PG_VERSION',
    'base',
    'base/5',
    'base/5/16384_init',
    'base/5/16385',
    'pg_replslot',
    'pg_tblspc',
    'pg_wal',
    'pg_wal/archive_status',
    'pg_wal/summaries',
  ]);
});

test('up to 16 there are no WAL summaries', async (t) => {
  const { layout } = await layoutOf(t, ['pg_wal/'], 16);
  t.deepEqual(paths(layout()), [['pg_tblspc', 'pg_wal', 'pg_wal/archive_status']]);
});

test('tablespaces that are links have trees of their own, by OID; those that are not are part of the base', async (t) => {
  const inPlace = [`pg_tblspc/300/${version}/5/1`, 'pg_tblspc/300/PG_17_202406281/5/1'];
  const { root, data, layout } = await layoutOf(t, [
    ...inPlace,
    `below/${version}/5/2`,
    'below/PG_9.6_1/5/2',
  ]);
  await mkdir(join(root, 'elsewhere', version, '5'), { recursive: true });
  await writeFile(join(root, 'elsewhere', version, '5', '3'), 'x');
  await symlink(join(root, 'elsewhere'), join(data, 'pg_tblspc', '20000'));
  await symlink(join(data, 'below'), join(data, 'pg_tblspc', '3000'));
  const { trees } = layout();
  t.deepEqual(
    trees.map(({ oid, location }) => [oid, location]),
    [
      [3000, join(data, 'below')],
      [20_000, join(root, 'elsewhere')],
      [undefined, undefined],
    ],
  );
  t.deepEqual(paths(layout()), [
    ['', '/5', '/5/2'].map((rest) => `pg_tblspc/3000/${version}${rest}`),
    ['', '/5', '/5/3'].map((rest) => `pg_tblspc/20000/${version}${rest}`),
    [
      'below',
      'pg_tblspc',
      'pg_tblspc/300',
      ...['', '/5', '/5/1'].map((rest) => `pg_tblspc/300/${version}${rest}`),
    ],
  ]);
});

test('links are pointed out, unless they stand for a directory that is copied empty', async (t) => {
  const { root, data, layout } = await layoutOf(t, ['PG_VERSION']);
  await mkdir(join(root, 'wal'));
  await symlink(join(root, 'wal'), join(data, 'pg_wal'));
  await symlink(join(root, 'wal'), join(data, 'log'));
  const [tree] = layout().trees;
  const kinds = tree && [...walk(tree, layout())].map(({ name, kind }) => `${name} ${kind}`);
  t.deepEqual(kinds?.sort(), [
    'PG_VERSION file',
    'log special',
    'pg_tblspc directory',
    'pg_wal directory',
    'pg_wal/archive_status directory',
    'pg_wal/summaries directory',
  ]);
});

test('a name that is no text keeps its bytes', async (t) => {
  const { layout } = await layoutOf(t, ['log/x\u00e9']);
  t.true(paths(layout())[0]?.includes('log/x\u00e9'));
});

test('a directory that vanishes meanwhile is empty', async (t) => {
  const { root, layout } = await layoutOf(t, []);
  const all = layout();
  t.deepEqual(
    [...walk({ directory: join(root, 'gone'), path: 'pg_tblspc/1/x', prefix: 'x', oid: 1 }, all)],
    [],
  );
});
