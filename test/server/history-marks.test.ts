// What a copy leaves in the data directory, by which a later one knows that the directory has gone on from there.
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { runProcess } from '../../dev/harness/children.ts';
import { isExcluded } from '../../src/postgres/excluded-files.ts';
import { leaveMark, readMarks } from '../../src/server/history-marks.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const fileName = 'pgsql_tmp.holdfast.copies';

test('marks are left one after the other, and all are read', async (t) => {
  const data = await temporaryDirectory(t);
  t.deepEqual([...(await readMarks(data))], []);
  const marks = await Promise.all([leaveMark(data), leaveMark(data)]);
  marks.push(await leaveMark(data));
  t.deepEqual([...(await readMarks(data))].sort(), [...marks].sort());
  t.is((await stat(join(data, fileName))).mode & 0o777, 0o600);
});

test('a mark stands behind one that a crash has cut off', async (t) => {
  const data = await temporaryDirectory(t);
  await writeFile(join(data, fileName), '\n81c1');
  const mark = await leaveMark(data);
  t.true((await readMarks(data)).has(mark));
});

test('a file of a megabyte is begun anew', async (t) => {
  const data = await temporaryDirectory(t);
  await writeFile(join(data, fileName), 'x'.repeat((1 << 20) + 1));
  const mark = await leaveMark(data);
  t.is(await readFile(join(data, fileName), 'utf8'), `\n${mark}\n`);
});

test('neither a pipe nor a directory in the place of the file holds anybody up', async (t) => {
  const data = await temporaryDirectory(t);
  const pipes = join(data, 'pipes');
  await mkdir(pipes);
  t.is((await runProcess('mkfifo', [join(pipes, fileName)])).status, 0);
  await t.throwsAsync(leaveMark(pipes));
  t.is((await readMarks(pipes)).size, 0);
  await mkdir(join(data, fileName));
  await t.throwsAsync(leaveMark(data), { code: 'EISDIR' });
});

test('a copy leaves the file out', (t) => {
  t.true(isExcluded(fileName));
});
