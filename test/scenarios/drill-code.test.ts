// A drill takes libraries, extensions and programs from nowhere but the server's own places, whatever a role or a
// database of the cluster has set.
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava from 'ava';
import { sharedCluster } from '../support/cluster.ts';
import { assertions, drills, problemsOf } from '../support/drills.ts';
import { noRestore } from '../support/restored-copy.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore);

test('a drill runs no code from where a database or a role of the cluster would have it looked for, and minds no PGSSLMODE', async (t) => {
  const scene = await repositoryScene(t);
  const { admin } = scene;
  const place = await scene.cluster.serverDirectory('code');
  const ran = join(place, 'ran');
  await mkdir(join(place, 'extension'));
  await writeFile(
    join(place, 'extension', 'amcheck.control'),
    `default_version = '9'\nrelocatable = true\nmodule_pathname = 'amcheck'\n`,
  );
  await writeFile(
    join(place, 'extension', 'amcheck--9.sql'),
    `do $$ begin copy (select 1) to program 'touch "${ran}"'; end $$;`,
  );
  const superuser = await admin.value<string>('select quote_ident(current_user)');
  await admin.query('create database shop');
  const places = ['dynamic_library_path', ...(scene.cluster.version >= 18 ? ['extension_control_path'] : [])];
  for (const name of places) {
    await admin.query(`alter database shop set ${name} = '${place}'`);
    await admin.query(`alter role ${superuser} in database shop set ${name} = '${place}'`);
  }
  await admin.query(`alter database shop set search_path = 'nowhere'`);
  await admin.query('alter database shop set default_transaction_read_only = on');
  await admin.query(`alter database postgres set local_preload_libraries = 'there_is_no_such_library'`);
  await scene.backup();
  await admin.query('alter database postgres reset local_preload_libraries');

  const drill = await drills(t, scene, { PGSSLMODE: 'require', PGSSLNEGOTIATION: 'direct' });
  const file = await assertions(t, 'shop', {
    "libraries are the server's own": `select current_setting('dynamic_library_path') = '$libdir'`,
    "extensions are the server's own": `select coalesce(current_setting('extension_control_path', true), '$system') = '$system'`,
    'what is left is as it was': `select current_setting('search_path') = 'nowhere'`,
  });
  const { status, result, stderr } = await drill.run(
    '--target-immediate',
    '--no-record',
    '--assertions',
    file,
  );
  t.is(status, 0, JSON.stringify([problemsOf(result), result.error, stderr]));
  const amcheck = result.checks.find(({ check, database }) => check === 'amcheck' && database === 'shop');
  t.true(amcheck?.ok === true && amcheck.skipped !== true, amcheck?.detail);
  t.false(existsSync(ran));
});

/** Settings that sound as if they said where code is, and do not, or only in the configuration, which is ours. */
const harmless = new Set([
  'search_path', // of names in the database, which assertions look up as their owner would
  'geqo_seed',
  'track_activities',
  'update_process_title',
]);

ava(
  'every setting that a database or a role can have, and that says where code is, is dropped by a drill',
  async (t) => {
    const cluster = await sharedCluster();
    const client = await connect(t, cluster.url());
    const text = await readFile(new URL('../../sql/queries/private_server.sql', import.meta.url), 'utf8');
    const [, pattern = ''] = /~\* '([^']+)'/.exec(text) ?? [];
    t.is(text.split(pattern).length, 3, 'both statements have the same pattern');
    const rows = await client.query<{ name: string; dropped: boolean }>(
      `select name, name ~* $1 and name <> 'search_path' as dropped from pg_catalog.pg_settings
     where context in ('user', 'superuser', 'backend', 'superuser-backend')
       and concat_ws(' ', name, short_desc, extra_desc) ~*
         '\\y(librar|path|command|director|program|executable|extension|module|plugin|provider|shell)'
         or context in ('user', 'superuser') and name ~* '(librar|path|command|dir|program|extension|module|plugin|provider)'`,
      [pattern],
    );
    const names = rows.filter(({ dropped }) => dropped).map(({ name }) => name);
    for (const name of ['dynamic_library_path', 'local_preload_libraries', 'session_preload_libraries'])
      t.true(names.includes(name), name);
    const unknown = rows
      .filter(({ name, dropped }) => !dropped && !harmless.has(name))
      .map(({ name }) => name);
    t.deepEqual(
      unknown,
      [],
      'a drill drops it (sql/queries/private_server.sql), or it is harmless (here, with the reason)',
    );
  },
);
