import { readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { makeDirectory, writeLabelFiles } from '../../src/labels/write-label.ts';
import { runProcess } from '../../dev/harness/children.ts';
import { noStrace } from '../support/system-calls.ts';
import { testWhen } from '../support/test-when.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const label = Buffer.from('LABEL: \xff\n', 'latin1');
const map = Buffer.from('1 \xfe\n', 'latin1');

test('both files are written byte for byte, for their owner alone, and nothing else', async (t) => {
  const directory = await temporaryDirectory(t);
  const paths = await writeLabelFiles(directory, { label, tablespaceMap: map });
  t.deepEqual(paths.toSorted(), [join(directory, 'backup_label'), join(directory, 'tablespace_map')]);
  t.deepEqual((await readdir(directory)).sort(), ['backup_label', 'tablespace_map']);
  t.deepEqual(await readFile(join(directory, 'backup_label')), label);
  t.deepEqual(await readFile(join(directory, 'tablespace_map')), map);
  for (const path of paths) t.is((await stat(path)).mode & 0o777, 0o600);
});

test('without a map there is no file for one', async (t) => {
  const directory = await temporaryDirectory(t);
  t.deepEqual(await writeLabelFiles(directory, { label, tablespaceMap: null }), [
    join(directory, 'backup_label'),
  ]);
  t.deepEqual(await readdir(directory), ['backup_label']);
});

test('identical files are left alone, different ones are never overwritten', async (t) => {
  const directory = await temporaryDirectory(t);
  await writeLabelFiles(directory, { label, tablespaceMap: map });
  const { ino } = await stat(join(directory, 'backup_label'));
  await writeLabelFiles(directory, { label, tablespaceMap: map });
  t.is((await stat(join(directory, 'backup_label'))).ino, ino);

  const other = { label: Buffer.from('other'), tablespaceMap: map };
  await t.throwsAsync(writeLabelFiles(directory, other), { message: /exists already and is different$/ });
  await t.throwsAsync(writeLabelFiles(directory, { label, tablespaceMap: null }), {
    message: /this backup has none$/,
  });
  t.deepEqual(await readFile(join(directory, 'backup_label')), label);
});

test('nothing is written where one of the two is refused', async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, 'backup_label'), 'other');
  await t.throwsAsync(writeLabelFiles(directory, { label, tablespaceMap: map }));
  t.deepEqual(await readdir(directory), ['backup_label']);
});

test('a symbolic link to nowhere is not written through', async (t) => {
  const directory = await temporaryDirectory(t);
  const elsewhere = join(directory, 'elsewhere');
  await symlink(elsewhere, join(directory, 'backup_label'));
  await t.throwsAsync(writeLabelFiles(directory, { label, tablespaceMap: null }));
  await t.throwsAsync(readFile(elsewhere), { code: 'ENOENT' });
});

test('a directory is made, but not the parents of a mistyped one', async (t) => {
  const directory = await temporaryDirectory(t);
  await makeDirectory(join(directory, 'new'));
  await makeDirectory(join(directory, 'new'));
  t.is((await stat(join(directory, 'new'))).mode & 0o777, 0o700);
  await t.throwsAsync(makeDirectory(join(directory, 'mistyped', 'new')), {
    message: /cannot be made: ENOENT/,
  });
});

for (const refused of ['link,linkat:error=EINVAL', 'link,linkat:error=EACCES', 'fchmod:error=EPERM'])
  testWhen(noStrace)(`a label is written where the file system refuses ${refused}`, async (t) => {
    const directory = await temporaryDirectory(t);
    const module = join(import.meta.dirname, '../../src/labels/write-label.ts');
    const script = `(await import(${JSON.stringify(module)})).writeLabelFiles(${JSON.stringify(directory)},
      { label: Buffer.from('label'), tablespaceMap: null })`;
    const options = ['-f', '-qq', '-o', '/dev/null', '-e', `inject=${refused}`];
    const node = [process.execPath, '--input-type=module', '-e', script];
    const { status, stderr } = await runProcess('strace', [...options, ...node]);
    t.is(status, 0, stderr);
    t.deepEqual(await readdir(directory), ['backup_label']);
    t.is(await readFile(join(directory, 'backup_label'), 'utf8'), 'label');
  });
