import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { FrameOrder } from '../../../src/backup/copy/frame-order.ts';
import { eventually } from '../../support/eventually.ts';

test('frames follow each other, and the next tar begins at 0', (t) => {
  const turns = new FrameOrder();
  const offsets = [
    turns.place({ number: 0, startsTar: true, length: 10 }),
    turns.place({ number: 1, startsTar: false, length: 20 }),
    turns.place({ number: 2, startsTar: false, length: 5 }),
    turns.place({ number: 3, startsTar: true, length: 7 }),
    turns.place({ number: 4, startsTar: false, length: 1 }),
  ];
  t.deepEqual(offsets, [0, 10, 30, 0, 7]);
});

test('another thread knows the same places', (t) => {
  const one = new FrameOrder();
  const other = new FrameOrder(one.buffer);
  one.place({ number: 0, startsTar: true, length: 10 });
  t.is(other.place({ number: 1, startsTar: false, length: 5 }), 10);
  t.is(one.place({ number: 2, startsTar: false, length: 5 }), 15);
});

test('who waits for his turn is told that there will be none', async (t) => {
  const turns = new FrameOrder();
  const waiting = new Worker(new URL('../../support/turns-thread.ts', import.meta.url), {
    workerData: turns.buffer,
  });
  const answer = once(waiting, 'message');
  t.deepEqual(await answer, ['waiting']);
  const outcome = once(waiting, 'message');
  const next = new Int32Array(turns.buffer, 0, 1);
  await eventually('it sleeps, and is woken', () => Atomics.notify(next, 0) > 0);
  turns.stop();
  t.deepEqual(await outcome, [undefined]);
  t.true(new FrameOrder(turns.buffer).isOver);
  t.is(turns.place({ number: 0, startsTar: true, length: 10 }), undefined);
  t.true(turns.isOver);
});
