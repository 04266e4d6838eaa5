import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { scratchDirectory } from '../../dev/embedded/cache.ts';
import { run } from '../../dev/embedded/run.ts';
import { freePort } from '../../dev/embedded/ports.ts';
import { asServerUser } from '../../dev/embedded/server-user.ts';
import { eventually, eventuallyRow } from '../support/eventually.ts';
import { installInto } from '../../dev/harness/install-into.ts';
import { startWorkerProcess } from '../support/process.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';
import { example } from './stage.ts';

const debian = '/usr/lib/postgresql';
const major = existsSync(debian)
  ? readdirSync(debian).find(
      (version) =>
        existsSync(join(debian, version, 'lib', 'pg_cron.so')) &&
        existsSync(join(debian, version, 'bin', 'initdb')),
    )
  : undefined;
const noPgCron =
  major === undefined ? 'there is no pg_cron: install postgresql-15 and postgresql-15-cron' : undefined;

testWhen(noPgCron)('pg_cron/nightly.sql: pg_cron requests a backup, and its other jobs run', async (t) => {
  const bin = (name: string) => join(debian, major ?? '', 'bin', name);
  const directory = await scratchDirectory();
  t.teardown(() => run('rm', ['-rf', directory]).then(() => undefined));
  const data = join(directory, 'data');
  await asServerUser.mkdir(data);
  await asServerUser.run(bin('initdb'), [
    '-D',
    data,
    '-U',
    'postgres',
    '-A',
    'trust',
    '-N',
    '--no-locale',
    '-E',
    'UTF8',
  ]);
  const port = await freePort();
  const settings = [
    'shared_preload_libraries=pg_cron',
    'cron.use_background_workers=on',
    'max_worker_processes=20',
    'fsync=off',
    // A spread checkpoint takes as long as it may.
    'checkpoint_timeout=30s',
    'archive_mode=on',
    'archive_command=true',
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${data}`,
  ].map((setting) => `-c ${setting}`);
  const control = (...args: string[]) => asServerUser.run(bin('pg_ctl'), [...args, '-D', data]);
  await control('start', '-w', '-l', join(data, 'log'), '-o', `-p ${port} ${settings.join(' ')}`);
  t.teardown(() => control('stop', '-m', 'immediate').then(() => undefined));

  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  await installInto(url);
  await startWorkerProcess(t, { url });
  const dba = await connect(t, url);
  await dba.query('create extension pg_cron');
  const jobs = await readFile(example('pg_cron/nightly.sql'), 'utf8');
  await dba.query(jobs.replace('0 2 * * *', '* * * * *'));

  // pg_cron looks once a minute.
  await eventuallyRow(dba, `select from holdfast.backup_request where state = 'running'`, [], {
    within: 90_000,
  });
  await dba.query(`select cron.unschedule('holdfast request')`);
  for (const name of ['holdfast finish', 'holdfast prune']) {
    await dba.query(await dba.value<string>('select command from cron.job where jobname = $1', [name]));
  }
  const state = () => dba.value<string>('select state from holdfast.backup_request');
  await eventually('the backup is complete', async () => (await state()) === 'complete');
  t.regex(await dba.value<string>('select label from holdfast.backup_request'), /^nightly \d{4}-\d\d-\d\d$/);
});
