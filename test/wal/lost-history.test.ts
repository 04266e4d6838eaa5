// PostgreSQL asks for the history of the next timeline to find out whether there is one, and takes 1 for "no".
import { readFile, rm, writeFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { ArchiveSurvey } from '../../src/wal/archive-survey.ts';
import { crc32c } from '../../src/postgres/crc32c.ts';
import { segment1, systemIdentifier, walScene } from '../support/wal.ts';

const segment2 = '000000020000000000000002';
const history = (timeline: number) => `0000000${timeline}.history`;

test('the history file of a timeline that has been written to is not "there is none": it ends recovery, unless that is accepted', async (t) => {
  const scene = await walScene(t);
  for (const name of [segment1, segment2]) {
    await scene.wal(name);
    t.is((await scene.push(name)).status, 0);
  }
  const asked = (timeline: number, env: NodeJS.ProcessEnv = {}) =>
    scene.fetch(history(timeline), 'pg_wal/RECOVERYHISTORY', { env });
  const data = (...names: string[]) => join(scene.dataDirectory, ...names);
  const isNone = async (timeline: number, env?: NodeJS.ProcessEnv) =>
    t.like(await asked(timeline, env), { status: 1, stdout: '', stderr: '' });
  await isNone(2); // a tool asks, and no recovery depends on it

  await writeFile(data('recovery.signal'), '');
  const { status, stderr } = await asked(2);
  t.is(status, 200);
  t.regex(
    stderr,
    /has 000000020000000000000002, but not 00000002\.history: recovery would end before timeline 2/,
  );
  t.regex(stderr, /hint: archive 00000002\.history .*HOLDFAST_DESPITE_MISSING_WAL=1/);
  await isNone(3); // as the server asks at the end of every recovery
  await isNone(2, { HOLDFAST_DESPITE_MISSING_WAL: '1' });

  // Nothing of timeline 3 is there but its mention in what came from it.
  await writeFile(scene.archived(history(4)), '1\t0/2000000\tx\n2\t0/3000000\tx\n3\t0/3000000\tx\n');
  const third = await asked(3);
  t.is(third.status, 200);
  t.regex(third.stderr, /has 00000004\.history, but not 00000003\.history/);
  await isNone(5);

  await writeFile(data('standby.signal'), '');
  const standby = await asked(2);
  t.is(standby.status, 1);
  t.regex(standby.stderr, /but not 00000002\.history/);
  await rm(data('standby.signal'));

  await mkdir(data('global'));
  await writeFile(data('global', 'pg_control'), controlFile(2));
  await isNone(2); // where recovery begins, it needs no history of what came before
  t.is((await asked(3)).status, 200);

  await writeFile(scene.archived(history(2)), '1\t0/2000000\tx\n');
  t.is((await asked(2)).status, 0);
  t.is(await readFile(data('pg_wal/RECOVERYHISTORY'), 'utf8'), '1\t0/2000000\tx\n');
});

test('the history file before a later timeline is lost, whatever came of it: servers take the first free number', async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1);
  t.is((await scene.push(segment1)).status, 0);
  const data = (...names: string[]) => join(scene.dataDirectory, ...names);
  await writeFile(data('recovery.signal'), '');
  await writeFile(scene.archived(history(3)), '1\t0/2000000\tx\n');
  const asked = () => scene.fetch(history(2), 'pg_wal/RECOVERYHISTORY');
  const { status, stderr } = await asked();
  t.is(status, 200);
  t.regex(stderr, /has 00000003\.history, but not 00000002\.history/);
  // A recovery that follows timeline 3 asks for it in order to keep it.
  await writeFile(data('pg_wal', history(3)), '1\t0/2000000\tx\n');
  t.like(await asked(), { status: 1, stderr: '' });
});

test('a survey of the archive tells of a history file that is lost or damaged while it watches, until it is back', async (t) => {
  const scene = await walScene(t);
  const third = '000000030000000000000003';
  for (const name of [segment1, segment2, third]) {
    await scene.wal(name);
    t.is((await scene.push(name)).status, 0);
  }
  await writeFile(scene.archived(history(2)), '1\t0/200000\tx\n');
  await writeFile(scene.archived(history(3)), '1\t0/300000\tx\n');
  const survey = new ArchiveSurvey(join(scene.repository, 'main'));
  const holes = async () => {
    const found = await survey.look();
    return found?.runs.flatMap(({ timeline, missingFrom }) =>
      missingFrom?.endsWith('.history') === true ? [`${timeline}: ${missingFrom}`] : [],
    );
  };
  t.deepEqual(await holes(), []);
  const problems = () => survey.problems.filter((problem) => problem.includes('.history')).join();
  t.is(problems(), '');
  await rm(scene.archived(history(2)));
  t.deepEqual(await holes(), ['2: 00000002.history']);
  t.is(problems(), `there is ${segment2}, but not 00000002.history`);
  await writeFile(scene.archived(history(2)), '1\t0/200000');
  await holes();
  t.regex(problems(), /00000002\.history" is damaged: it is cut off/);
  await writeFile(scene.archived(history(2)), '1\t0/200000\tx\n');
  t.deepEqual(await holes(), []);
  t.is(problems(), '');
});

test('a survey misses no history file of the first timeline of an archive: the cluster had come there before', async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment2);
  t.is((await scene.push(segment2)).status, 0);
  const survey = new ArchiveSurvey(join(scene.repository, 'main'));
  const first = await survey.look();
  t.deepEqual([first?.runs.length, first?.runs[0]?.missingFrom, survey.problems], [1, null, []]);
  await writeFile(scene.archived(history(4)), '2\t0/300000\tx\n');
  await survey.look();
  t.deepEqual(survey.problems, ['there is 00000004.history, but not 00000003.history']);
});

/** With as much in it as says whose it is, and on which timeline the latest checkpoint was, and the usual sizes. */
function controlFile(timeline: number): Buffer {
  const bytes = Buffer.alloc(8192);
  bytes.writeBigUInt64LE(BigInt(systemIdentifier), 0);
  bytes.writeUInt32LE(1300, 8);
  bytes.writeUInt32LE(timeline, 48);
  bytes.writeUInt32LE(8192, 216);
  bytes.writeUInt32LE(131_072, 220);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 288)), 288);
  return bytes;
}
