import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { startCommand, usualStart } from '../../src/restore/start-command.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** What pg_ctl is started with, and what it hands to the server. */
const words = (command: string): string[] =>
  execFileSync('sh', ['-c', `pg_ctl() { printf '%s\\n' "$@"; }; ${command.replace(/^\S+/, 'pg_ctl')}`], {
    encoding: 'utf8',
  })
    .trimEnd()
    .split('\n');

test.serial('the start command names pg_ctl and a log, and survives two shells', async (t) => {
  const directory = join(await temporaryDirectory(t), `it's $HOME "here"`);
  await mkdir(directory);
  const backup = { dataDirectory: '/nowhere', serverVersion: '17.2' };
  const command = await startCommand({ directory, backup, programs: '/opt/pg/bin' });
  t.regex(command, /^\/opt\/pg\/bin\/pg_ctl start /);
  const [, dash, data, l, log, o, options = ''] = words(command);
  t.deepEqual([dash, data, l, log, o], ['-D', directory, '-l', join(directory, 'restore.log'), '-o']);
  t.true(words(`pg_ctl ${options}`).includes(`data_directory=${directory}`), options);

  await writeFile(join(directory, 'postgresql.conf'), '');
  const whole = await startCommand({ directory, backup, programs: '/opt/pg/bin' });
  const [, , , , , , settings = ''] = words(whole);
  t.deepEqual(words(`pg_ctl ${settings}`).slice(2), [
    '-c',
    `data_directory=${directory}`,
    '-c',
    'external_pid_file=external.pid',
    '-c',
    'log_directory=log',
    '-c',
    'max_logical_replication_workers=0',
  ]);
});

test.serial(
  'without known programs the start command names no pg_ctl that is only on the PATH, of whatever version',
  async (t) => {
    const directory = await temporaryDirectory(t);
    const place = await temporaryDirectory(t);
    await writeFile(join(place, 'pg_ctl'), '', { mode: 0o755 });
    const path = process.env['PATH'];
    process.env['PATH'] = `${place}:${path}`;
    t.teardown(() => (process.env['PATH'] = path));
    const command = await startCommand({
      directory,
      backup: { dataDirectory: '/nowhere', serverVersion: '17.2' },
    });
    t.regex(command, /^pg_ctl start /);
  },
);

test('what is restored to the place of the old server is started as that was', (t) => {
  const usual = (directory: string, dataDirectory: string) =>
    usualStart({ directory, backup: { dataDirectory, serverVersion: '18.4' } });
  t.is(usual('/srv/new', '/srv/old'), undefined);
  t.is(usual('/srv/old', '/srv/old/'), 'as it was started before');
  const debian = '/var/lib/postgresql/18/main';
  t.is(usual(debian, debian), 'as it was started before, on Debian with "pg_ctlcluster 18 main start"');
});
