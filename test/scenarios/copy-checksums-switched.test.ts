// Checksums that pg_checksums has switched since initdb: what the cluster has now decides what a copy verifies.
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { noTool, toolsOf } from '../../dev/debian/postgres-tools.ts';
import { asServerUser } from '../../dev/embedded/server-user.ts';
import { noOwnCluster, noServerFiles, ownCluster } from '../support/cluster.ts';
import { copyScene } from '../support/copies.ts';
import { testWhen } from '../support/test-when.ts';

/** 19 keeps both in pg_control, what initdb chose and what is now. */
for (const version of [15, 19] as const) {
  const test = testWhen(noOwnCluster, noServerFiles, noTool(version, 'pg_checksums')).serial;

  test(`${version}: pages without checksums are not called damaged where they were disabled`, async (t) => {
    const scene = await switched(t, version, ['--data-checksums'], '--disable');
    await scene.flipIn('kept', 3 * 8192 + 5000);
    const { row, description } = await scene.copy();
    t.deepEqual(row.warnings, []);
    t.false(description.checksums);
  });

  test(`${version}: a damaged page is found where they were enabled`, async (t) => {
    const scene = await switched(t, version, version >= 18 ? ['--no-data-checksums'] : [], '--enable');
    const path = await scene.flipIn('kept', 3 * 8192 + 5000);
    const { row, description } = await scene.copy();
    t.deepEqual(row.warnings, [`the file "${path}" has 1 damaged page: block 3`]);
    t.true(description.checksums);
  });
}

/** A server that was made in one way and switched, and has written pages since; a worker runs. */
async function switched(t: ExecutionContext, version: 15 | 19, initdb: string[], how: string) {
  const cluster = await ownCluster(t, { version, initdb });
  const data = String(cluster.dataDirectory);
  await cluster.stop();
  const program = join(String(toolsOf(version, 'pg_checksums')), 'pg_checksums');
  await asServerUser.run(program, ['-D', data, '--no-sync', how]);
  await cluster.start();
  const scene = await copyScene(t, { cluster });
  await scene.admin.query('create table kept as select n from generate_series(1, 20000) n');
  await scene.admin.query('checkpoint');
  await scene.startCopier();
  return {
    ...scene,
    /** One bit, behind the server's back; returns the path of the table. */
    async flipIn(table: string, at: number): Promise<string> {
      const path = await scene.admin.value<string>(`select pg_relation_filepath('${table}')`);
      const file = await open(join(data, path), 'r+');
      const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
      await file.write(Buffer.from([Number(buffer[0]) ^ 1]), 0, 1, at);
      await file.close();
      return path;
    },
  };
}
