// Two servers promoted at one place have the same system identifier, timeline and file names: their WAL must not mix.
import { existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { asServerUser } from '../../dev/embedded/server-user.ts';
import { writeCompressed } from '../../src/repository/compressed-file.ts';
import { archivedPath } from '../../src/repository/wal-archive.ts';
import { verifyBackup } from '../../src/verify/verify-backup.ts';
import { eventually } from '../support/eventually.ts';
import { holdfast } from '../support/process.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { noRestore } from '../support/restored-copy.ts';
import { connect } from '../support/sql-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore).serial;
const MB = 1 << 20;

test("a twin's segment in the archive is noticed by the survey, verify and restore, with both names and the LSN", async (t) => {
  const { scene, segments, twinOf, backup } = await twins(t);
  const { directory, client } = scene;
  const [before, after] = [String(segments.at(1)), String(segments.at(2))];
  const archived = archivedPath(directory, after);
  const said = new RegExp(`${after} does not follow ${before} at [0-9A-F]+/[0-9A-F]+: `);
  const restore = async (...args: string[]) => {
    const to = join(await temporaryDirectory(t), 'data');
    return { to, ...(await scene.restore(to, ...args)) };
  };
  const verified = () =>
    verifyBackup({
      backup: { ...backup, description: { ...backup.description, startWal: before, stopWal: after } },
      clusterDirectory: directory,
      jobs: 1,
      onProgress: () => undefined,
    });
  t.false((await verified()).problems.some((problem) => said.test(problem)));
  t.is((await restore()).status, 0);
  const seen = () =>
    scene.admin.value<string | null>('select max(array_to_string(breaks, $1)) from holdfast.restore_window', [
      '',
    ]);
  t.is(await seen(), null);

  await rename(archived, `${archived}.own`);
  await twinOf(after, archived);
  const { status, stderr, to } = await restore();
  t.is(status, 1);
  t.regex(stderr, said);
  t.regex(stderr, /recovery would end there\n {2}hint: put the segment of the right server into the archive/);
  t.false(existsSync(to));
  const accepted = await restore('--despite-missing-wal');
  t.is(accepted.status, 0);
  t.regex(accepted.stderr, said);
  t.true((await verified()).problems.some((problem) => said.test(problem)));
  await scene.worker.untilLine(said);
  const { stdout } = await holdfast(['check'], { url: client.url });
  t.regex(
    stdout,
    new RegExp(`critical cluster main, timeline 2: its WAL is of two histories: ${said.source}`),
  );

  await rm(archived);
  await rename(`${archived}.own`, archived);
  await eventually('the survey sees that it holds', async () => (await seen()) === null, { within: 60_000 });
  const healed = await restore();
  t.is(healed.status, 0, healed.stderr);
});

/** Two restored servers on timeline 2, one of which archives into the repository. */
async function twins(t: ExecutionContext) {
  const scene = await repositoryScene(t, { initdb: ['--wal-segsize=1'] });
  const { admin, now, directory, archiveAll } = scene;
  await admin.query('create table kept (n int, filler text)');
  const backup = await scene.backup();
  const moment = await now();
  await admin.query('insert into kept values (99)');
  await archiveAll();

  const args = ['--target-time', moment, '--target-action', 'promote'];
  const [one, twin] = [await scene.restored(...args), await scene.restored(...args, '--no-archiving')];
  const elsewhere = join(twin.dataDirectory, '..', 'archived');
  await asServerUser.mkdir(elsewhere);
  await twin.appendSettings({ archive_mode: 'on', archive_command: `cp "%p" "${elsewhere}/%f"` });
  const segments: string[] = [];
  for (const [server, rows] of [
    [twin, 700],
    [one, 1000],
  ] as const) {
    await server.start();
    const its = await connect(t, server.url({ database: scene.db.name }));
    await eventually('it is a primary', () => its.value('select not pg_is_in_recovery()'));
    segments.length = 0;
    for (let n = 0; n < 4; n += 1) {
      await its.query(`insert into kept select n, repeat('x', 100) from generate_series(1, ${rows}) n`);
      segments.push(await its.value<string>('select pg_walfile_name(pg_switch_wal())'));
    }
    const last = String(segments.at(-1));
    const place = server === one ? archivedPath(directory, last) : join(elsewhere, last);
    await eventually(`${last} is archived`, () => existsSync(place));
    await server.stop();
  }
  return {
    scene,
    backup,
    segments,
    /** Puts the twin's segment of that name there, as the archive has them. */
    twinOf: async (name: string, path: string) => {
      const [source, target] = [await open(join(elsewhere, name)), await open(path, 'w')];
      await writeCompressed(source, MB, target, 1);
      await Promise.all([source.close(), target.close()]);
    },
  };
}
