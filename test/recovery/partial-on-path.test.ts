// A last segment that the archive has as .partial only: what is said of it, and that what is printed makes it whole.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { parseLsn } from '../../src/postgres/lsn.ts';
import { spansTo, type Ancestor } from '../../src/postgres/timeline-history.ts';
import { howToUsePartial, whatIsPartial, type PartialOnly } from '../../src/repository/partial-segment.ts';
import { parseRepositoryBackup } from '../../src/repository/repository-backup.ts';
import { archivedPath } from '../../src/repository/wal-archive.ts';
import { shellWord } from '../../src/recovery/recovery-commands.ts';
import { verifyWal } from '../../src/verify/verify-wal.ts';
import { partialOnWay } from '../../src/recovery/partial-on-path.ts';
import { parseTime, type RecoveryTarget } from '../../src/recovery/recovery-target.ts';
import { coverageFrom } from '../../src/recovery/wal-path.ts';
import { ArchiveSurvey } from '../../src/wal/archive-survey.ts';
import { runProcess } from '../../dev/harness/children.ts';
import { describedBackup } from '../support/described-backup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { MB, segmentBytes, systemIdentifier, walScene } from '../support/wal.ts';
import { program } from '../support/programs.ts';

const name = (n: number, timeline = 1) => `0000000${timeline}000000000000000${n}`;
const archivedAt = new Date('2026-03-14T12:00:00Z');
const left: [number, Ancestor[]] = [2, [{ timeline: 1, end: parseLsn('0/300100') }]];
const latest: RecoveryTarget = { kind: 'latest' };
const lsn = (text: string): RecoveryTarget => ({ kind: 'lsn', lsn: parseLsn(text), exclusive: false });
const time = (text: string): RecoveryTarget => ({ kind: 'time', at: parseTime(text), exclusive: false });

/** An archive whose segments are of 1 MB; the backup's is the first one of timeline 1. */
async function archiveOf(directory: string, files: readonly string[]) {
  for (const file of files) {
    await mkdir(join(directory, 'wal', file.slice(0, 16)), { recursive: true });
    await writeFile(archivedPath(directory, file), '');
  }
  const segments = new Set(files.filter((file) => file.length === 24));
  return (
    target: RecoveryTarget,
    timeline = 1,
    isReached = false,
    histories: ReadonlyMap<number, readonly Ancestor[]> = new Map(),
  ) => {
    const path = spansTo(timeline, histories);
    const backup = { id: 7, startWal: name(1), stopWal: name(1), walSegmentSize: MB };
    const coverage = coverageFrom(backup.stopWal, path, segments, MB);
    const needs = { backup, target, path, segments, coverage, isReached };
    return partialOnWay(directory, needs, { segments, histories });
  };
}

test('a segment that is there as .partial only is named where the target lies in it or behind', async (t) => {
  const directory = await temporaryDirectory(t);
  const found = await archiveOf(directory, [name(1), name(2), `${name(3)}.partial`]);
  const targets = [lsn('0/300001'), time('2026-03-14 12:00:01Z')];
  for (const target of [latest, ...targets])
    t.like(await found(target), { segment: name(3), continuation: undefined });
  t.is(await found({ kind: 'immediate' }), undefined);
  for (const target of targets) t.is(await found(target, 1, true), undefined);
});

test('one that is whole as well, or not the next one, is not named', async (t) => {
  const whole = await archiveOf(await temporaryDirectory(t), [
    name(1),
    name(2),
    name(3),
    `${name(3)}.partial`,
  ]);
  t.is(await whole(latest), undefined);
  const later = await archiveOf(await temporaryDirectory(t), [name(1), name(2), `${name(4)}.partial`]);
  t.is(await later(latest), undefined);
});

test('where a timeline was left on purpose, the way to the next one does without it, and the old one has its data there', async (t) => {
  const directory = await temporaryDirectory(t);
  const found = await archiveOf(directory, [name(1), name(2), `${name(3)}.partial`, name(3, 2)]);
  const histories = new Map([left]);
  t.is(await found(latest, 2, false, histories), undefined);
  const partial = await found(latest, 1, false, histories);
  t.is(
    whatIsPartial(partial as PartialOnly),
    `the archive has ${name(3)} only as ${name(3)}.partial, which recovery does not read: its timeline was left there, and what it has up to 0/300100 is in ${name(3, 2)} as well`,
  );
  t.is(
    howToUsePartial(partial as PartialOnly, shellWord),
    'type --target-timeline 2 --target-lsn 0/300100 to restore all of it',
  );
});

test('where the next timeline has no segment of its own yet, the .partial one of the old one is what there is', async (t) => {
  const found = await archiveOf(await temporaryDirectory(t), [name(1), name(2), `${name(3)}.partial`]);
  for (const timeline of [1, 2]) {
    const partial = await found(latest, timeline, false, new Map([left]));
    t.like(partial, { segment: name(3), continuation: { segment: name(3, 2), isThere: false } });
    const how = howToUsePartial(partial as PartialOnly, shellWord);
    t.regex(
      how,
      new RegExp(
        `^archive ${name(3, 2)} of the server that went on from there, .*; where that is lost, restore with --target-timeline 1, and before that make it a whole one`,
      ),
    );
  }
  const needed = await archiveOf(await temporaryDirectory(t), [`${name(1)}.partial`]);
  t.like(await needed({ kind: 'immediate' }), { segment: name(1) });
});

test('the commands that are printed put a whole segment into the archive', async (t) => {
  const scene = await walScene(t, join(await temporaryDirectory(t), 'it is "ours"'));
  const bytes = segmentBytes({ name: name(3) });
  for (const n of [1, 2]) {
    await scene.wal(name(n));
    t.is((await scene.push(name(n))).status, 0);
  }
  await scene.wal(`${name(3)}.partial`, bytes);
  t.is((await scene.push(`${name(3)}.partial`)).status, 0);
  const clusterDirectory = join(scene.repository, 'main');
  const survey = new ArchiveSurvey(clusterDirectory);
  await survey.look();
  t.true(survey.problems.some((problem) => problem.includes(`only as ${name(3)}.partial`)));

  const how = howToUsePartial({ segment: name(3), clusterDirectory, continuation: undefined }, shellWord);
  const bin = await temporaryDirectory(t);
  await writeFile(join(bin, 'holdfast'), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`, {
    mode: 0o755,
  });
  const command = how.replace(/^make it a whole one, as .* if no server has more of it: /, '');
  const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}`, TMPDIR: bin };
  const { status, stderr } = await runProcess('sh', ['-c', command], { env });
  t.is(status, 0, stderr);
  await rm(join(scene.dataDirectory, 'pg_wal', `${name(3)}.partial`));
  t.is((await scene.fetch(name(3))).status, 0);
  await survey.look();
  t.false(survey.problems.some((problem) => problem.includes('.partial')));
});

test('verify names a segment that a backup needs and that is there as .partial only, and takes that of the next timeline', async (t) => {
  const scene = await walScene(t);
  const clusterDirectory = join(scene.repository, 'main');
  const archive = async (file: string, content: Buffer) => {
    await scene.wal(file, content);
    t.is((await scene.push(file)).status, 0);
  };
  await archive(`${name(1)}.partial`, segmentBytes({ name: name(1) }));
  const problems = async (stopLsn: string) => {
    const wal = { startWal: name(1), stopWal: name(1), startLsn: '0/100028', stopLsn, walSegmentSize: MB };
    const times = { startedAt: archivedAt.toISOString(), stoppedAt: archivedAt.toISOString() };
    const bytes = describedBackup({ id: 7, label: 'x', systemIdentifier, ...times, ...wal });
    const directory = join(clusterDirectory, 'backups/x');
    const backup = { directory, meta: `${directory}.meta`, description: parseRepositoryBackup('x', bytes) };
    const found: string[] = [];
    await verifyWal(backup, clusterDirectory, found);
    return found;
  };
  const [problem = '', ...more] = await problems('0/100100');
  t.deepEqual(more, []);
  t.true(problem.startsWith(`the WAL segment ${name(1)} is missing; the archive has ${name(1)} only as`));
  t.true(problem.includes(`holdfast wal fetch ${name(1)}.partial`));

  await archive('00000002.history', Buffer.from('1\t0/100200\tno recovery target specified\n'));
  t.regex((await problems('0/100100')).join(), new RegExp(`; archive ${name(1, 2)} of the server`));
  await archive(name(1, 2), segmentBytes({ name: name(1, 2) }));
  t.deepEqual(await problems('0/100100'), []);
  // The backup went on where the other server left its timeline.
  t.deepEqual(await problems('0/100300'), [`the WAL segment ${name(1)} is missing`]);
});
