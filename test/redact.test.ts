import test from 'ava';
import { HoldfastError, messageOf } from '../src/errors.ts';
import { redact, redactIn } from '../src/redact.ts';

for (const harmless of [
  'postgres://host/db',
  'postgres://user@host:5432/db',
  'postgres:///db',
  'postgres://[::1]/db',
  's3://bucket/a/directory',
  '/var/lib/holdfast',
  '12 hours',
  'relative',
]) {
  test(`"${harmless}" is shown as it is`, (t) => {
    t.is(redact(harmless), harmless);
    t.is(redactIn(`it is ${harmless}, so`), `it is ${harmless}, so`);
  });
}

for (const secret of [
  'postgres://user:secret@host/db',
  'postgres://user:secret/db',
  'postgres://user:p@secret@host/db',
  'postgres://user:p/secret@host/db',
  'postgres://user:p secret@host/db',
  "postgres://user:p'secret@host/db",
  'postgres://user:p"secret@host/db',
  'postgres://user%3Asecret@host/db',
  'postgres://:secret@host/db',
  'postgres://host/db?user=u&password=secret&sslmode=require',
  'postgres://host/db?sslpassword=secret',
  'postgres://host/db#secret',
]) {
  test(`of "${secret}" nothing but its scheme is shown`, (t) => {
    t.is(redact(secret), 'postgres://…');
    t.is(redactIn(`connect to ${secret}`), 'connect to postgres://…');
    t.is(redactIn(`"${secret}" is\nwrong`).split('secret').length, 1);
  });
}

for (const [secret, shown] of [
  ['host=h password=secret', 'host=h password=…'],
  ['host=h password=the secret and more', 'host=h password=…'],
  [String.raw`host=h password = 'it\'s secret' port=1`, 'host=h password = …'],
  ['PGPASSWORD=secret', 'PGPASSWORD=…'],
  ['--access-key: secret', '--access-key: …'],
] as const) {
  test(`"${secret}" is not shown as a value, and in a sentence as "${shown}"`, (t) => {
    t.is(redact(secret), undefined);
    t.is(redactIn(secret), shown);
  });
}

test('the longest sentence is looked through at once', (t) => {
  for (const word of ['a-', 'a://b ', 'pass ', ' ', 'token=', '@']) {
    const before = process.cpuUsage();
    redactIn(word.repeat(100_000));
    t.true(process.cpuUsage(before).user < 5_000_000, word);
  }
});

test('no error says a password that something else has said', (t) => {
  const said = new Error('cannot reach https://user:secret@host/bucket: 403');
  const hidden = 'cannot reach https://… 403';
  t.is(messageOf(said), hidden);
  t.is(messageOf(new AggregateError([said, said])), `${hidden}; ${hidden}`);
  t.is(new HoldfastError('failed', said.message).message, hidden);
});
