import test from 'ava';
import { MissingCallers } from '../../src/worker/missing-callers.ts';

test('a caller that is missing at every look, for eight seconds, has deserted its request', (t) => {
  const deserted = new MissingCallers();
  for (const now of [0, 2000, 4000, 6000]) t.deepEqual(deserted.look([7], now), []);
  t.deepEqual(deserted.look([7], 8000), [7]);
  t.deepEqual(deserted.look([7], 10_000), [7], 'and still has, should ending it have failed');
});

test('a caller that was there at one look was only between two polls at the others', (t) => {
  const deserted = new MissingCallers();
  for (const now of [0, 2000, 4000, 6000]) deserted.look([7], now);
  t.deepEqual(deserted.look([], 7000), []);
  t.deepEqual(deserted.look([7], 8000), []);
});

test('many looks at once are not many looks, and few looks far apart are too few', (t) => {
  const hurried = new MissingCallers();
  for (const now of [0, 10, 20, 30, 40, 50]) t.deepEqual(hurried.look([7], now), []);
  const slow = new MissingCallers();
  for (const now of [0, 10_000, 20_000]) t.deepEqual(slow.look([7], now), []);
});
