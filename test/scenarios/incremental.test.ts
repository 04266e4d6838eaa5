// Incremental copies, as PostgreSQL's own pg_combinebackup of their major makes a data directory of them again.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { amcheck } from '../../dev/demo/amcheck.ts';
import { noTool } from '../../dev/debian/postgres-tools.ts';
import { chainScene, combined, summarizing } from '../support/chains.ts';
import { noCopies, run, started, type StoredCopy } from '../support/copies.ts';
import { testWhen } from '../support/test-when.ts';

for (const version of summarizing) {
  const test = testWhen(noCopies, noTool(version, 'pg_combinebackup')).serial;

  test(`pg_combinebackup ${version} makes a data directory of a full copy and three incremental ones`, async (t) => {
    const scene = await chainScene(t, { version, initdb: ['--data-checksums'] });
    const { admin } = scene;
    await admin.query(`
      create table account as select id, 1000 as balance, repeat('x', 400) as filler from generate_series(1, 50000) id;
      create unique index on account (id);
      create table untouched as select id, repeat('y', 400) as filler from generate_series(1, 50000) id;
      create unlogged table fleeting as select generate_series(1, 1000) n`);
    const full = await scene.copy();
    const links = [full];
    for (const round of [1, 2, 3]) {
      await admin.query(`
        update account set balance = balance + ${round} where id % 5000 = ${round};
        create table round${round} as select generate_series(1, 1000) n`);
      links.push(await scene.increment());
    }
    for (const [number, link] of links.entries()) {
      const parent = links[number - 1];
      if (parent !== undefined) await requireLink(t, link, { parent, full, number });
    }
    t.true((links[1]?.description.bytes ?? Infinity) < full.description.bytes / 2);

    const restored = await started(t, await combined(t, links, version), scene.db.name);
    t.is(await restored.value('select sum(balance)::int from account'), 50_000_000 + 10 * (1 + 2 + 3));
    t.is(await restored.value('select count(*)::int from untouched'), 50_000);
    t.is(await restored.value('select count(*)::int from round3'), 1000);
    t.is(await restored.value('select count(*)::int from fleeting'), 0);
    for (const { claim, holds, found } of await amcheck(restored)) t.true(holds, `${claim}: ${found}`);
  });
}

async function requireLink(
  t: ExecutionContext,
  { row, description, meta, directory }: StoredCopy,
  { parent, full, number }: { parent: StoredCopy; full: StoredCopy; number: number },
): Promise<void> {
  const name = ({ directory: path }: StoredCopy) => path.split('/').at(-1) ?? '';
  const { lengthsCrc32c, ...incremental } = description.incremental ?? { lengthsCrc32c: undefined };
  t.is(typeof lengthsCrc32c, 'number');
  t.deepEqual(incremental, {
    parent: name(parent),
    parentRequest: Number(parent.row.id),
    fromLsn: String(parent.row.start_lsn),
    fromTimeline: 1,
    parentManifestCrc32c: parent.description.manifestCrc32c,
    full: name(full),
    links: number,
  });
  t.is(String(row.parent), parent.row.id);
  t.is(row.incremental_from, parent.row.start_lsn);
  const lines = `INCREMENTAL FROM LSN: ${parent.row.start_lsn}\nINCREMENTAL FROM TLI: 1\n`;
  t.true(row.backup_label?.endsWith(lines));
  t.is(await readFile(join(meta, 'backup_label'), 'utf8'), String(row.backup_label));
  const inTar = await run('tar', ['--zstd', '-xOf', join(directory, 'base.tar.zst'), 'backup_label']);
  t.is(inTar, String(row.backup_label));
}
