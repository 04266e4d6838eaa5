// Very many small relations: the time grows with their number, and the memory does not.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCluster, type Major } from '../../dev/embedded/cluster.ts';
import { copyScene, noCopies, started } from '../support/copies.ts';
import { holdfast } from '../support/process.ts';
import type { SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const noProc = process.platform === 'linux' ? undefined : 'only Linux tells the memory of a process here';
const test = testWhen(noCopies, noProc).serial;

const many = 40_000;

async function createTables(client: SqlClient, from: number, to: number): Promise<void> {
  const step = 500; // each of them is locked until the end of its transaction
  for (let first = from; first < to; first += step)
    await client.query(`do $$ begin
      for n in ${first}..${Math.min(first + step, to) - 1} loop
        execute format('create table many.t%s as select %s as n', n, n);
      end loop; end $$`);
}

/** Seconds of all processors so far, and the most memory that it ever had. */
async function usedBy(pid: number): Promise<{ cpu: number; megabytes: number }> {
  const [stat, status] = await Promise.all(
    ['stat', 'status'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8')),
  );
  const fields = String(stat)
    .slice(String(stat).lastIndexOf(')') + 2)
    .split(' ');
  const [, peak] = /^VmHWM:\s+(\d+) kB$/m.exec(String(status)) ?? [];
  return { cpu: (Number(fields[11]) + Number(fields[12])) / 100, megabytes: Number(peak) / 1024 };
}

test(`${many} small relations are copied in linear time and constant memory, and restored`, async (t) => {
  t.timeout(1_800_000);
  const scene = await copyScene(t, { settings: { fsync: 'off' } });
  const { admin, cluster, copy, db, repository } = scene;
  await admin.query('create schema many');
  await createTables(admin, 0, many / 4);
  const { pid } = await scene.startCopier({ HOLDFAST_JOBS: '2' });
  await copy(); // what is paid once, is paid by this one
  const before = await usedBy(pid);
  await copy();
  const quarter = await usedBy(pid);
  await createTables(admin, many / 4, many);
  const { description } = await copy();
  const whole = await usedBy(pid);
  t.true(description.files > many);
  const ratio = (whole.cpu - quarter.cpu) / (quarter.cpu - before.cpu);
  t.log(`${description.files} files: ${(whole.cpu - quarter.cpu).toFixed(2)} s of processor time,`);
  t.log(`${ratio.toFixed(1)} times that of a quarter; ${whole.megabytes.toFixed(0)} MB at most`);
  t.true(ratio < 8, `four times as many took ${ratio} times as long`);
  t.true(whole.megabytes < 200, `${whole.megabytes} MB`);
  t.true(
    whole.megabytes - quarter.megabytes < 50,
    `${whole.megabytes} MB instead of the ${quarter.megabytes} of a quarter`,
  );

  const restored = await createCluster({ version: cluster.version as Major, empty: true });
  t.teardown(() => restored.remove());
  const to = ['--to', restored.dataDirectory, '--no-archiving'];
  const { status, stderr } = await holdfast(['restore', '--repository', repository, ...to]);
  t.is(status, 0, stderr);
  t.true(
    (await readFile(join(restored.dataDirectory, 'PG_VERSION'), 'utf8')).startsWith(String(cluster.version)),
  );
  await restored.appendSettings({ restore_command: 'false' }); // the server's user cannot enter this repository
  const client = await started(t, restored, db.name);
  const sizes = `select count(*)::int from pg_class where relnamespace = 'many'::regnamespace and pg_relation_size(oid) = 8192`;
  t.is(await client.value(sizes), many);
  t.is(await client.value(`select n from many.t${many - 1}`), many - 1);
});
