import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProcess } from '../../dev/harness/children.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';
import { example, unless } from './stage.ts';

const noSystemd = unless(['systemd-analyze', '--version'], 'there is no systemd-analyze: install systemd');

testWhen(noSystemd)('systemd has nothing to say against systemd/holdfast-worker.service', async (t) => {
  const unit = await readFile(example('systemd/holdfast-worker.service'), 'utf8');
  const file = join(await temporaryDirectory(t), 'holdfast-worker.service');
  // It looks whether the program is there.
  await writeFile(file, unit.replace('/usr/local/bin/holdfast', '/bin/true'));
  const { status, stdout, stderr } = await runProcess('systemd-analyze', ['verify', '--man=no', file]);
  const said = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('holdfast'));
  t.deepEqual(said, []);
  t.is(status, 0, stderr);
});

testWhen(noSystemd)('systemd has nothing to say against systemd/holdfast-backup.timer', async (t) => {
  const directory = await temporaryDirectory(t);
  const files: string[] = [];
  for (const name of ['holdfast-backup.service', 'holdfast-backup.timer']) {
    const unit = await readFile(example(`systemd/${name}`), 'utf8');
    files.push(join(directory, name));
    await writeFile(join(directory, name), unit.replace('/usr/local/bin/holdfast', '/bin/true'));
  }
  const { status, stdout, stderr } = await runProcess('systemd-analyze', ['verify', '--man=no', ...files]);
  const said = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('holdfast'));
  t.deepEqual(said, []);
  t.is(status, 0, stderr);
});
