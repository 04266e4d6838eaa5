// Where the output of the sync program goes: whoever writes to the repository may have put something else there.
import { link, lstat, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { runProcess } from '../../dev/harness/children.ts';
import { syncScene } from '../support/sync-scene.ts';

test('a pipe or a link in the place of the output of the program holds up nothing, and is not written through', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  await scene.sync();
  const output = join(scene.directory, 'sync', 'output');
  const precious = join(scene.repository, 'precious');
  await writeFile(precious, 'precious');
  const places = {
    pipe: () => runProcess('mkfifo', [output]),
    'symbolic link': () => symlink(precious, output),
    'hard link': () => link(precious, output),
  };
  for (const [what, place] of Object.entries(places)) {
    await rm(output);
    await place();
    await scene.tell('fail');
    t.regex((await scene.sync('--force')).stderr, /ended with 7: the other side is away/, what);
    await scene.untell('fail');
    t.is(await readFile(precious, 'utf8'), 'precious', what);
    t.true((await lstat(output)).isFile(), what);
  }
});
