import test from 'ava';
import { count, failures } from '../../dev/ava.ts';

const allWell = `
  ✔ a › one
  ✔ a › two (1.5s)
  - [skip] a › three [skipped: there is no psql]
  ─

  2 tests passed
  1 test skipped
`;

test('tests are counted', (t) => {
  t.deepEqual(count(allWell, 0), { passed: 2, failed: 0, skipped: 1 });
});

test('a run that exits non-zero has failed, although no test has', (t) => {
  t.deepEqual(count(allWell, 1), { passed: 2, failed: 1, skipped: 1 });
  t.is(count('', null).failed, 1);
});

test('files that end early, time-outs and stray exceptions are failures', (t) => {
  const output = `
  ✔ a › one
  ✘ [fail]: a › two
    ℹ said while it ran
  ✘ Exiting due to process.exit() when running b.test.js
  ✘ No tests found in d.test.js

  Uncaught exception in c.test.js
`;
  t.deepEqual(count(output, 1), { passed: 1, failed: 4, skipped: 0 });
});

test('what is said of the failures follows the list of tests', (t) => {
  t.is(failures('  ✔ a › one\n  ✘ [fail]: a › two\n  ─\n\n  a › two\n'), '  ─\n\n  a › two\n');
  t.is(failures('  ✘ No tests found in b.test.js\n  ✔ a\n  ─\n'), '  ✘ No tests found in b.test.js\n  ─\n');
  t.is(failures('it never began'), 'it never began');
});
