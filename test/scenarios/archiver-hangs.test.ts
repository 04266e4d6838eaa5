// An archiver that hangs reports no failure: that WAL waits for it is what shows.
import { readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { noServerFiles } from '../support/cluster.ts';
import { eventuallyRow } from '../support/eventually.ts';
import { holdfast } from '../support/process.ts';
import { sceneOfItsOwn } from '../support/scene.ts';
import { testWhen } from '../support/test-when.ts';

testWhen(noServerFiles)(
  'an archive_command that hangs makes check and status say for how long WAL waits, until it does no more',
  async (t) => {
    const it = await sceneOfItsOwn(t);
    const { cluster } = it.db;
    const place = await cluster.serverDirectory('hanging');
    const hangs = join(place, 'hangs');
    await writeFile(hangs, '');
    t.teardown(() => rm(hangs, { force: true }));
    await cluster.configure({ archive_command: `while test -e ${hangs}; do sleep 0.05; done` });
    for (const name of ['a', 'b', 'c'])
      await it.admin.query(`select pg_create_restore_point('${name}'), pg_switch_wal()`);
    const status = join(String(cluster.dataDirectory), 'pg_wal', 'archive_status');
    const ready = (await readdir(status)).filter((name) => name.endsWith('.ready')).sort();
    t.true(ready.length >= 2, ready.join(' '));
    const tenMinutesAgo = Date.now() / 1000 - 600;
    await utimes(join(status, String(ready[0])), tenMinutesAgo, tenMinutesAgo);

    await it.startWorker();
    const row = await eventuallyRow<{ wal_waiting: number; waits: boolean }>(
      it.admin,
      `select *, checked_at - wal_waiting_since between interval '590 s' and interval '700 s' as waits
       from holdfast.cluster where wal_waiting is not null`,
    );
    t.like(row, { archiver_failing: false, wal_waiting: ready.length, waits: true });
    t.is(await it.admin.value('select failed_count from pg_stat_archiver'), '0');
    const found = await waiting(it.db.url);
    t.like(found, { severity: 'warning', object: 'cluster main' });
    t.regex(
      found?.message ?? '',
      new RegExp(`wait to be archived: ${ready.length}, the oldest for 1\\d min.*archive_command.*hangs`),
    );
    t.regex((await holdfast(['status'], { url: it.db.url })).stdout, /waiting: \d+, the oldest for 1\d min/);

    await rm(hangs);
    await eventuallyRow(
      it.admin,
      `select from (select count(*) from pg_ls_archive_statusdir() where name like '%.ready') waiting (files)
       where files = 0`,
    );
    await it.startWorker();
    await eventuallyRow(it.admin, 'select from holdfast.cluster where wal_waiting = 0');
    t.is(await waiting(it.db.url), undefined);
  },
);

interface Finding {
  severity: string;
  object: string;
  message: string;
}

async function waiting(url: string): Promise<Finding | undefined> {
  const { stdout } = await holdfast(['check', '--json'], { url });
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return findings.find(({ message }) => message.includes('wait to be archived'));
}
