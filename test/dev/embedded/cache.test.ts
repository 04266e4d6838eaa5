import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test from 'ava';
import { cached } from '../../../dev/embedded/cache.ts';

test('several who want the same entry at once all get a whole one', async (t) => {
  const name = `test-${process.pid}`;
  let built = 0;
  const build = async (directory: string) => {
    built++;
    await writeFile(join(directory, 'content'), 'whole');
  };
  const entries = await Promise.all(Array.from({ length: 5 }, () => cached(name, build)));
  const [entry = ''] = entries;
  t.teardown(() => rm(entry, { recursive: true }));
  t.is(new Set(entries).size, 1);
  t.is(await readFile(join(entry, 'content'), 'utf8'), 'whole');

  const before = built;
  await cached(name, build);
  t.is(built, before);
  t.deepEqual(
    (await readdir(dirname(entry))).filter((other) => other.startsWith(`.${name}`)),
    [],
  );
});

test('an entry that could not be built is not there', async (t) => {
  const name = `test-broken-${process.pid}`;
  const broken = cached(name, () => Promise.reject(new Error('disk full')));
  await t.throwsAsync(broken, { message: 'disk full' });
  t.teardown(async () => rm(await cached(name, async () => {}), { recursive: true }));
  await t.notThrowsAsync(cached(name, async () => {}));
});
