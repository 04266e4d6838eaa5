import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { reachableDirectory, temporaryDirectory } from '../../../dev/embedded/cache.ts';
import { createCluster, type ClusterOptions } from '../../../dev/embedded/cluster.ts';
import { untilGone } from '../../../dev/embedded/processes.ts';
import { runProcess } from '../../../dev/harness/children.ts';
import { eventually } from '../../support/eventually.ts';
import { connect } from '../../support/sql-client.ts';
import { testWhen } from '../../support/test-when.ts';

const asRoot = testWhen(process.getuid?.() === 0 ? undefined : 'only root runs servers as somebody else');

async function setup(t: ExecutionContext, options: ClusterOptions = {}) {
  const cluster = await createCluster(options);
  t.teardown(() => cluster.remove());
  await cluster.start();
  return cluster;
}

test('a killed server recovers what was committed', async (t) => {
  const cluster = await setup(t);
  await (await connect(t, cluster.url())).query('create table kept as select 42 as n');
  await cluster.kill();
  t.false(cluster.running);

  await cluster.start();
  t.is(await (await connect(t, cluster.url())).value('select n from kept'), 42);
});

test('a cluster that is to be kept is found again, but not by another major version', async (t) => {
  const directory = await reachableDirectory(join(temporaryDirectory(), `holdfast-kept-${process.pid}`));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const first = await setup(t, { directory });
  await (await connect(t, first.url())).query('create table kept as select 42 as n');
  await first.remove();

  const second = await setup(t, { directory });
  t.is(await (await connect(t, second.url())).value('select n from kept'), 42);
  await second.remove();
  await t.throwsAsync(createCluster({ directory, version: 17 }), { message: /is of PostgreSQL 18, not 17/ });
});

test('a server copied into an empty cluster starts there, with its own settings', async (t) => {
  const source = await setup(t);
  await source.stop();
  const copy = await createCluster({ empty: true });
  t.teardown(() => copy.remove());
  await copy.asServerUser.run('cp', ['-Rp', `${source.dataDirectory}/.`, copy.dataDirectory]);
  await copy.appendSettings({ archive_mode: 'off', work_mem: '9MB' });
  await copy.start();
  const client = await connect(t, copy.url());
  t.is(await client.value('show archive_mode'), 'off');
  t.is(await client.value('show work_mem'), '9MB');
});

test('passwords are asked for where pg_hba.conf says so', async (t) => {
  const cluster = await setup(t, {
    hba: ['host all postgres 127.0.0.1/32 trust', 'host all all 127.0.0.1/32 scram-sha-256'],
    settings: { password_encryption: 'scram-sha-256' },
  });
  await (await connect(t, cluster.url())).query(`create role somebody login password 'sec/ret@'`);
  await t.throwsAsync(connect(t, cluster.url({ user: 'somebody', password: 'wrong' })), {
    message: /password/,
  });
  const client = await connect(t, cluster.url({ user: 'somebody', password: 'sec/ret@' }));
  t.is(await client.value('select current_user::text'), 'somebody');
});

test('a server that does not start says why', async (t) => {
  const cluster = await createCluster({ settings: { shared_buffers: 'plenty' } });
  t.teardown(() => cluster.remove());
  await t.throwsAsync(cluster.start(), { message: /invalid value for parameter "shared_buffers"/ });
});

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  test(`a server ends, and its directory goes, with a process that ${signal} ended`, async (t) => {
    const url = new URL('../../../dev/embedded/cluster.ts', import.meta.url).href;
    const script = `
      const { createCluster } = await import(${JSON.stringify(url)});
      const cluster = await createCluster();
      await cluster.start();
      console.log(JSON.stringify([cluster.pid, cluster.directory]));
      process.kill(process.pid, '${signal}');
      await new Promise(() => setInterval(() => {}, 1000));`;
    const ended = await runProcess(process.execPath, ['--input-type=module-typescript', '-e', script]);
    t.is(ended.signal, signal, ended.stderr);
    const [pid, directory] = JSON.parse(ended.stdout) as [number, string];
    await untilGone([pid]);
    await eventually(`${directory} is gone`, () => !existsSync(directory));
    t.pass();
  });
}

asRoot("a directory that the servers' user cannot enter is refused, and another is offered", async (t) => {
  const closed = join(temporaryDirectory(), `holdfast-closed-${process.pid}`);
  await mkdir(closed, { mode: 0o700 });
  t.teardown(() => rm(closed, { recursive: true }));
  await t.throwsAsync(createCluster({ directory: join(closed, 'pg') }), { message: /cannot enter/ });

  const instead = await reachableDirectory(join(closed, 'pg'));
  t.not(instead, join(closed, 'pg'));
  t.is(await reachableDirectory(join(closed, 'pg')), instead);
});
