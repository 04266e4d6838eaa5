// Of which of two files an error is, when one is compressed into the other.
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { SourceError, writeCompressed } from '../../src/repository/compressed-file.ts';
import { noSmallDisk, smallDisk } from '../support/small-disk.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

async function opened(t: ExecutionContext, path: string, flags: string) {
  const file = await open(path, flags);
  t.teardown(() => file.close());
  return file;
}

testWhen(noSmallDisk)('an error of the disk says which file it is of', async (t) => {
  const disk = await smallDisk(t);
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, 'sound'), Buffer.alloc(1 << 20, 'sound'));
  const sound = await opened(t, join(directory, 'sound'), 'r');
  const target = await opened(t, join(directory, 'target'), 'w');
  // A directory can be opened, and not read.
  const unreadable = await opened(t, directory, 'r');
  const error = await t.throwsAsync(writeCompressed(unreadable, 1 << 20, target, 1));
  t.true(error instanceof SourceError);
  t.regex(error.message, /^EISDIR/);

  const full = await opened(t, join(disk.directory, 'target'), 'w');
  await disk.fill();
  const other = await t.throwsAsync(writeCompressed(sound, 1 << 20, full, 1), { code: 'ENOSPC' });
  t.false(other instanceof SourceError);
  await t.throwsAsync(writeCompressed(sound, 2 << 20, target, 1), { instanceOf: RangeError });
});
