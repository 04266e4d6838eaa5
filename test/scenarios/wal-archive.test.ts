// archive_command = 'holdfast wal push "%p"', restore_command = 'holdfast wal fetch "%f" "%p"', on real servers.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { archiveAll, backUp, restored } from '../support/archived-recovery.ts';
import { noRestore } from '../support/restored-copy.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';
import { archivingServer, noArchivingServer } from '../support/wal.ts';

const test = testWhen(noArchivingServer, noRestore).serial;

test('recovery to a moment between two commits, from what was pushed', async (t) => {
  const server = await archivingServer(t);
  const client = await connect(t, server.cluster.url());
  const copy = await backUp(client, server.cluster);
  await client.query('create table kept (n int)');
  await client.query('insert into kept values (1)');
  const between = await client.value<string>('select clock_timestamp()::text');
  await client.query('insert into kept values (2)');
  await archiveAll(client, server);

  const before = await restored(t, server, copy, { recovery_target_time: between });
  t.is(await before.value('select count(*)::int from kept'), 1);
  const after = await restored(t, server, copy, {});
  t.is(await after.value('select count(*)::int from kept'), 2);
});

test('recovery across two timeline switches', async (t) => {
  const server = await archivingServer(t);
  const client = await connect(t, server.cluster.url());
  const copy = await backUp(client, server.cluster);
  await client.query('create table kept (n int)');
  await archiveAll(client, server);
  const settings = { archive_command: server.pushCommand };
  for (const n of [1, 2]) {
    const next = await restored(t, server, copy, settings);
    await next.query(`insert into kept values (${n})`);
    await archiveAll(next, server);
    t.is(await next.value('select timeline_id from pg_control_checkpoint()'), n + 1);
  }
  const last = await restored(t, server, copy, {});
  t.deepEqual(await last.query('select n from kept order by n'), [{ n: 1 }, { n: 2 }]);
  t.deepEqual(
    (await readdir(join(server.repository, 'main', 'wal')))
      .filter((name) => name.endsWith('.history'))
      .sort(),
    ['00000002.history', '00000003.history'],
  );
});
