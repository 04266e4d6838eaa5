import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { Flusher } from '../../src/restore/make-durable.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const size = 3 << 20;

test('a large file is flushed as soon as it is complete, even after there was nothing to flush for a while', async (t) => {
  const directory = await temporaryDirectory(t);
  const flusher = new Flusher();
  const wrote = (name: string, length = size) =>
    flusher.wrote({ path: name, size, at: 0, length, crc32c: 0 }, length === size, () =>
      Buffer.from(join(directory, name)),
    );
  wrote('hardly begun', 100);
  for (const name of ['1', '2', '3']) {
    await writeFile(join(directory, name), 'content');
    wrote(name);
    await eventually('flushed', () => !process.getActiveResourcesInfo().includes('FSReqPromise'));
  }
  wrote('missing');
  const error = await t.throwsAsync(flusher.finish([]), { code: 'not_durable' });
  t.regex(String(error), /open '.*\/missing'/);
});
