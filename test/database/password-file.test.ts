import test from 'ava';
import { passwordIn } from '../../src/database/password-file.ts';

const login = { host: 'db7', port: 5432, database: 'postgres', user: 'agent' };

test('the first line that fits has the password', (t) => {
  const file = [
    '# comment',
    'db8:5432:*:agent:other host',
    'db7:5433:*:agent:other port',
    'db7:5432:*:somebody:other user',
    'db7:5432:postgres:agent:it',
    '*:*:*:*:later',
  ].join('\n');
  t.is(passwordIn(file, login), 'it');
  t.is(passwordIn(file, { ...login, user: 'nobody' }), 'later');
  t.is(passwordIn('db8:*:*:*:x\n', login), undefined);
  t.is(passwordIn('', login), undefined);
});

test('a backslash makes colons and backslashes part of a field', (t) => {
  t.is(passwordIn(String.raw`\:\:1:*:*:*:a\:b\\c`, { ...login, host: '::1' }), String.raw`a:b\c`);
  t.is(passwordIn('db7:*:*:*:', login), undefined);
});

test('a socket is found by its directory and as localhost', (t) => {
  const socket = { ...login, host: '/run/postgresql' };
  t.is(passwordIn('localhost:*:*:*:local', socket), 'local');
  t.is(passwordIn('/run/postgresql:*:*:*:directory', socket), 'directory');
});
