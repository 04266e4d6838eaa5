// The blocks that an incremental copy reads are verified as those of a full copy are.
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { chainScene, noIncrements } from '../support/chains.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noIncrements).serial;

async function sceneWithTable(t: ExecutionContext) {
  const scene = await chainScene(t, { initdb: ['--data-checksums'] });
  const { admin } = scene;
  await admin.query(
    `create table kept as select n, repeat('x', 1000) as filler from generate_series(1, 1000) n`,
  );
  await admin.query('vacuum (freeze) kept');
  const path = await admin.value<string>(`select pg_relation_filepath('kept')`);
  return { ...scene, path, file: join(String(scene.cluster.dataDirectory), path) };
}

/** As a failing disk does: nobody tells the server. */
async function flip(file: string, block: number): Promise<void> {
  const handle = await open(file, 'r+');
  const byte = Buffer.alloc(1);
  const at = block * 8192 + 5000;
  await handle.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 0x10;
  await handle.write(byte, 0, 1, at);
  await handle.close();
}

test('of the blocks that have changed a damaged one is named, and of the others none is read', async (t) => {
  const { admin, copy, file, path } = await sceneWithTable(t);
  const full = await copy();
  // Seven rows are on a page: this one was the first of block 5.
  await admin.query('update kept set n = -n where n = 36; checkpoint');
  for (const block of [5, 20]) await flip(file, block);
  const { row, description } = await copy({ incremental: true });
  t.is(row.parent, full.row.id);
  t.deepEqual(description.damagedPages, [{ file: path, block: 5 }]);
  t.deepEqual(row.warnings, [`the file "${path}" has 1 damaged page: block 5`]);

  const next = await copy({ incremental: true });
  t.is(next.row.parent, full.row.id, 'a copy with a damaged page is not a parent');
  const [warning = '', ...others] = next.row.warnings;
  t.regex(warning, /^the newest copy is not the parent: backup \S+ has 1 damaged page$/);
  t.deepEqual(others, [`the file "${path}" has 1 damaged page: block 5`]);
});
