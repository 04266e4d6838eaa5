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

function kinds(layout: ReturnType<typeof findTrees>): string[] {
  const [tree] = layout.trees;
  return tree ? [...walk(tree, layout)].map(({ path, kind }) => `${path} ${kind}`).sort() : [];
}

test('links are followed where PostgreSQL reads them: directories, databases, segments, files of configuration', async (t) => {
  const { root, data, layout } = await layoutOf(t, ['PG_VERSION', 'base/5/16384', 'pg_xact.here/0000']);
  for (const path of ['database/16385', 'conf.d/a.conf', 'relation', 'hba']) {
    await mkdir(join(root, path, '..'), { recursive: true });
    await writeFile(join(root, path), 'far');
  }
  await symlink('pg_xact.here', join(data, 'pg_xact'));
  await symlink(join(root, 'database'), join(data, 'base', '6'));
  await symlink(join(root, 'relation'), join(data, 'base', '5', '16384.1'));
  await symlink('../hba', join(data, 'pg_hba.conf'));
  await symlink('../conf.d', join(data, 'conf.d'));
  const found = kinds(layout());
  t.deepEqual(found, [
    'PG_VERSION file',
    'base directory',
    'base/5 directory',
    'base/5/16384 file',
    'base/5/16384.1 file',
    'base/6 directory',
    'base/6/16385 file',
    'conf.d directory',
    'conf.d/a.conf file',
    'pg_hba.conf file',
    'pg_tblspc directory',
    'pg_xact directory',
    'pg_xact.here directory',
    'pg_xact.here/0000 file',
    'pg_xact/0000 file',
  ]);
  const sizes = layout().trees.flatMap((tree) => [...walk(tree, layout())]);
  t.is(sizes.find(({ path }) => path === 'base/5/16384.1')?.stats.size, 3, "the file's, not the link's");
});

test("links to directories that are not PostgreSQL's are pointed out, and pg_wal is a directory in the copy", async (t) => {
  const { root, data, layout } = await layoutOf(t, ['PG_VERSION']);
  await mkdir(join(root, 'wal'));
  await symlink(join(root, 'wal'), join(data, 'pg_wal'));
  await symlink(join(root, 'wal'), join(data, 'log'));
  await symlink('/nonexistent', join(data, 'notes'));
  const all = layout();
  t.deepEqual(kinds(all), [
    'PG_VERSION file',
    'log special',
    'notes special',
    'pg_tblspc directory',
    'pg_wal directory',
    'pg_wal/archive_status directory',
    'pg_wal/summaries directory',
  ]);
  const whys = [...walk(all.trees[0] ?? t.fail(), all)].flatMap(({ path, why }) =>
    why ? [`${path} ${why}`] : [],
  );
  t.deepEqual(whys.sort(), [
    "log is a symbolic link to a directory that is not PostgreSQL's",
    'notes is a symbolic link that leads nowhere',
  ]);
});

for (const [what, target, message] of [
  ['that leads nowhere', '/nonexistent', /cannot read ".*\/base\/7" -> "\/nonexistent": ENOENT/],
  ['to itself', '7', /cannot read ".*\/base\/7" -> "7": ELOOP/],
  [
    'to a directory that it is in',
    '..',
    /base\/7": it is a symbolic link to a directory that it is in, "\.\."/,
  ],
] as const) {
  test(`a link ${what}, where PostgreSQL has its data, is an error by name`, async (t) => {
    const { data, layout } = await layoutOf(t, ['base/5/1']);
    await symlink(target, join(data, 'base', '7'));
    t.throws(() => kinds(layout()), { message });
  });
}

test('a loop through two links is an error by name', async (t) => {
  const { root, data, layout } = await layoutOf(t, ['base/5/1']);
  await mkdir(join(root, 'other'));
  await symlink(join(root, 'other'), join(data, 'base', '7'));
  await symlink(join(data, 'base'), join(root, 'other', 'back'));
  t.throws(() => kinds(layout()), {
    message: /base\/7\/back": it is a symbolic link to a directory that it is in/,
  });
});

test('a tablespace whose disk is not mounted is an error by name, not a copy without it', async (t) => {
  const { root, data, layout } = await layoutOf(t, ['base/5/1']);
  await mkdir(join(root, 'mount point'));
  await symlink(join(root, 'mount point'), join(data, 'pg_tblspc', '16400'));
  t.throws(() => paths(layout()), {
    message: /mount point\/PG_18_\d+": it is not there, and tablespace 16400 is/,
  });
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
