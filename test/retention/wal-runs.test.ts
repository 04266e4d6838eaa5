import test from 'ava';
import { expiredRunsOf } from '../../src/retention/wal-runs.ts';

test('a run of WAL counts its segments apart from the files beside them', (t) => {
  const segment = '000000010000000000000008';
  const files = [segment, `${segment}.00000028.backup`, '00000002.history'];
  const decided = files.map((file) => ({ file, goes: true, reason: 'nothing needs it' }));
  const [run, ...others] = expiredRunsOf(decided);
  t.deepEqual(others, []);
  t.like(run, { startWal: segment, endWal: segment, files: 2, segments: 1 });
});
