import test from 'ava';
import { walIsArchived, neededWalFiles } from '../../src/backup/server-archive-status.ts';

const file = { name: 'x', done: false, ready: false, present: false };

test('.done means archived, .ready means not yet', (t) => {
  t.true(walIsArchived({ ...file, done: true, present: true }));
  t.false(walIsArchived({ ...file, ready: true, present: true }));
  t.true(walIsArchived({ ...file, done: true, ready: true }), 'the server looks for .done first');
});

test('without a status, a file still in pg_wal waits, and one no longer there was archived', (t) => {
  t.false(walIsArchived({ ...file, present: true }));
  t.true(walIsArchived(file));
});

test('a backup needs every segment from start to stop and its history file', (t) => {
  const window = {
    startLsn: '0/FE000028',
    startWal: '0000000100000000000000FE',
    stopWal: '000000010000000100000000',
  };
  t.deepEqual(neededWalFiles(window, 16 * 1024 * 1024), [
    '0000000100000000000000FE',
    '0000000100000000000000FF',
    '000000010000000100000000',
    '0000000100000000000000FE.00000028.backup',
  ]);
});
