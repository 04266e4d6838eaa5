// Chains of incremental copies, restored by `holdfast restore`, verified and drilled.
import { open, readFile, rename, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { amcheck } from '../../dev/demo/amcheck.ts';
import { readFrames } from '../../src/repository/backup-inventory.ts';
import type { StoredBackup } from '../../src/repository/catalog.ts';
import { noIncrements } from '../support/chains.ts';
import { drills } from '../support/drills.ts';
import { holdfast } from '../support/process.ts';
import { repositoryScene, type RepositoryScene, type Started } from '../support/repository-scene.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noIncrements).serial;

interface Chain extends RepositoryScene {
  links: StoredBackup[];
}

/** A full copy and `count` incremental ones; `change` is called before each, with its number. */
async function chainOf(
  t: ExecutionContext,
  count: number,
  change: (scene: RepositoryScene, number: number) => Promise<unknown>,
): Promise<Chain> {
  const scene = await repositoryScene(t, {
    settings: { summarize_wal: 'on' },
    initdb: ['--data-checksums'],
  });
  const links: StoredBackup[] = [];
  for (let number = 0; number <= count; number += 1) {
    await change(scene, number);
    const link = await scene.backup({ incremental: number > 0 });
    t.is(link.description.incremental?.links, number === 0 ? undefined : number);
    links.push(link);
  }
  return { ...scene, links };
}

const atOnce = ['--target-immediate', '--target-action', 'promote', '--target-timeline', 'current'];
const idOf = (link: StoredBackup | undefined) => String(link?.description.id);

test('every link is restored to what was there when it was copied', async (t) => {
  const space: string[] = [];
  const changes = [
    `create table account as select id, 1000 as balance, repeat('x', 400) as filler from generate_series(1, 20000) id;
     create unique index on account (id);
     create table shrinks as select id, repeat('y', 400) as filler from generate_series(1, 20000) id;
     create table spaced as select id, repeat('z', 400) as filler from generate_series(1, 5000) id;
     create unlogged table fleeting as select generate_series(1, 1000) n;
     create table dropped as select generate_series(1, 1000) n`,
    `update account set balance = balance + 1 where id % 1000 = 1;
     alter table spaced set tablespace other;
     drop table dropped;
     create table second as select generate_series(1, 1000) n;
     delete from shrinks where id > 10000`,
    `update account set balance = balance + 1 where id % 1000 = 2;
     update spaced set filler = 'changed' where id = 7;
     truncate second;
     insert into second select generate_series(1, 10)`,
    `update account set balance = balance + 1 where id % 1000 = 3;
     insert into shrinks select id, 'again' from generate_series(10001, 10100) id;
     create database another`,
  ];
  const chain = await chainOf(t, 3, async ({ admin, cluster }, number) => {
    if (number === 1) {
      space.push(await cluster.serverDirectory('space'));
      await admin.query(`create tablespace other location '${space[0]}'`);
    }
    for (const statement of String(changes[number]).split(';')) await admin.query(statement);
    if (number === 2) await admin.query('vacuum (analyze) shrinks');
    if (number === 3) await admin.query('vacuum full spaced');
  });
  const [, spaced] = chain.links;
  const oid = spaced?.description.tablespaces[0]?.oid;
  for (const [number, link] of chain.links.entries()) {
    const place = await chain.cluster.serverDirectory(`restored-${number}`);
    const elsewhere = number === 0 ? [] : ['--tablespace', `${oid}=${place}/space`];
    const restored = await chain.started(idOf(link), ...atOnce, ...elsewhere);
    await requireContent(t, restored, number);
    await restored.cluster.stop();
  }
  const verified = await holdfast(['verify', '--repository', chain.repository, idOf(chain.links[3])]);
  t.is(verified.status, 0, verified.stderr + verified.stdout);
  const { result, status, stderr } = await (await drills(t, chain)).run();
  t.is(status, 0, stderr + JSON.stringify(result.error));
  t.like(result, { ok: true, backup: basename(String(chain.links[3]?.directory)) });
});

async function requireContent(
  t: ExecutionContext,
  { client, cluster }: Started,
  number: number,
): Promise<void> {
  const count = (what: string) => client.value(`select count(*)::int from ${what}`);
  t.is(await client.value('select sum(balance)::int from account'), 20_000_000 + 20 * number);
  t.is(await count('shrinks'), [20_000, 10_000, 10_000, 10_100][number]);
  t.is(await count('spaced'), 5000);
  t.is(await count(`spaced where filler = 'changed'`), number < 2 ? 0 : 1);
  t.is(await count('fleeting'), 0);
  t.is(await count(`pg_class where relname = 'dropped'`), number === 0 ? 1 : 0);
  if (number > 0) t.is(await count('second'), number === 1 ? 1000 : 10);
  t.is(await count(`pg_database where datname = 'another'`), number === 3 ? 1 : 0);
  for (const { claim, holds, found } of await amcheck(client)) t.true(holds, `${claim}: ${found}`);
  const label = await readFile(join(cluster.dataDirectory, 'backup_label.old'), 'utf8');
  t.notRegex(label, /INCREMENTAL/);
  if (number > 0)
    await t.throwsAsync(stat(join(cluster.dataDirectory, 'backup_manifest')), { code: 'ENOENT' });
}

test('the link that is damaged, missing or removed is named, before a server could start', async (t) => {
  const chain = await chainOf(t, 2, ({ admin }, number) =>
    admin.query(
      number === 0
        ? `create table kept as select id, repeat('x', 400) as filler from generate_series(1, 20000) id`
        : `update kept set filler = 'changed' where id % 100 = ${number}`,
    ),
  );
  const [full, middle, last] = chain.links as [StoredBackup, StoredBackup, StoredBackup];
  const name = basename(middle.directory);
  const verify = () => holdfast(['verify', '--repository', chain.repository, idOf(last)]);
  const flip = await flipped(middle);
  const damaged = await verify();
  t.is(damaged.status, 1);
  t.regex(damaged.stdout, new RegExp(`${name}: base\\.tar\\.zst, the frame at`));
  const to = join(await temporaryDirectory(t), 'data');
  const refused = await chain.restore(to, idOf(last));
  t.is(refused.status, 1);
  t.regex(refused.stderr, new RegExp(`backup ${name} is damaged: .*; ${basename(last.directory)} needs it`));
  await t.throwsAsync(stat(join(to, 'global/pg_control')), { code: 'ENOENT' });
  t.is((await chain.restore(join(await temporaryDirectory(t), 'data'), idOf(full))).status, 0);
  await flip();
  t.is((await verify()).status, 0);

  await rename(middle.directory, `${middle.directory}-away`);
  await rename(middle.meta, join(chain.repository, 'away'));
  const broken = await verify();
  t.is(broken.status, 1);
  t.regex(broken.stdout, new RegExp(`its chain is broken at backup ${name}, which is not in the repository`));
  const without = await chain.restore(join(await temporaryDirectory(t), 'data'), idOf(last));
  t.is(without.status, 1);
  t.regex(
    without.stderr,
    new RegExp(`its chain is broken at backup ${name}, which is not in the repository`),
  );

  // No older backup is taken unasked.
  const unnamed = await chain.restore(to, '--target-immediate');
  t.is(unnamed.status, 1);
  t.regex(
    unnamed.stderr,
    new RegExp(`backup ${basename(last.directory)} cannot be restored: .*${name}, which`),
  );
  t.regex(
    unnamed.stderr,
    new RegExp(
      `hint: put backup ${name} back, or type "holdfast restore ${idOf(full)}" .*${basename(full.directory)}`,
    ),
  );
  await t.throwsAsync(stat(join(to, 'global/pg_control')), { code: 'ENOENT' });
  await rename(full.directory, `${full.directory}-away`);
  await rename(full.meta, join(chain.repository, 'away-too'));
  const none = await chain.restore(to, '--target-immediate');
  t.is(none.status, 1);
  t.regex(none.stderr, /hint: put backup .* back: no other backup reaches this target/);
});

/** Flips a bit in the middle of the largest frame of a link; the function returned flips it back. */
async function flipped(link: StoredBackup): Promise<() => Promise<void>> {
  const frames = (await readFrames(link)).filter(({ tar }) => tar === 'base.tar.zst');
  const { offset, length } = frames.toSorted((a, b) => b.length - a.length)[0] ?? { offset: 0, length: 0 };
  const at = offset + Math.floor(length / 2);
  const flip = async () => {
    const file = await open(join(link.directory, 'base.tar.zst'), 'r+');
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    byte[0] = Number(byte[0]) ^ 1;
    await file.write(byte, 0, 1, at);
    await file.close();
  };
  await flip();
  return flip;
}
