import test from 'ava';
import { untilNextLook } from '../../src/worker/next-look.ts';

test('the table is read when the next retry is due, and after 15 seconds at the latest', (t) => {
  t.is(untilNextLook([]), 15_000);
  t.is(untilNextLook([{ dueIn: null }]), 15_000);
  t.is(untilNextLook([{ dueIn: 600_000 }]), 15_000);
  const soon = untilNextLook([{ dueIn: 4000 }, { dueIn: null }, { dueIn: 3000 }]);
  t.true(soon >= 3000 && soon < 3100, `${soon}`);
});

test('a retry that is due and does not begin has the table read once a second', (t) => {
  t.is(untilNextLook([{ dueIn: 0 }]), 1000);
});
