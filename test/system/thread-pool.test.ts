import test from 'ava';
import { ThreadPool, worthwhileThreads } from '../../src/system/thread-pool.ts';

const beside = new URL('../support/any.ts', import.meta.url).href;

test('a pool that grows gives its further threads the tasks that the first one has no room for, and never shrinks', async (t) => {
  const [all, answers] = [6, [] as number[]];
  const givenTo: number[] = [];
  const over = Promise.withResolvers<void>();
  const pool = new ThreadPool<number, number>({
    importer: beside,
    name: 'echo-thread',
    setup: undefined,
    threads: 1,
    ahead: 2,
    next: (thread) => (givenTo.length < all ? givenTo.push(thread) : undefined),
    onAnswer: (answer) => {
      answers.push(answer);
      if (answers.length === all) over.resolve();
    },
    onError: over.reject,
  });
  pool.fill();
  t.deepEqual([givenTo, pool.isFull], [[0, 0], true]);
  pool.grow(3);
  t.false(pool.isFull);
  pool.fill();
  t.deepEqual([givenTo, pool.isFull], [[0, 0, 1, 2, 1, 2], true]);
  pool.grow(1);
  t.true(pool.isFull);
  await over.promise;
  await pool.end();
  t.deepEqual(
    answers.toSorted((a, b) => a - b),
    [1, 2, 3, 4, 5, 6],
  );
});

test('a further thread is started for each 64 MB, up to as many as there may be, and never none', (t) => {
  const megabytes = [0, 1, 64, 65, 128, 129, 1_900];
  t.deepEqual(
    megabytes.map((size) => worthwhileThreads(4, size << 20)),
    [1, 1, 1, 2, 2, 3, 4],
  );
});
