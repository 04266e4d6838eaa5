import test from 'ava';
import { explainServer } from '../../src/drill/server-log.ts';

const before = '2026-03-14 02:00:00.000 UTC [7] LOG:  starting archive recovery\n';

for (const [what, log, code, hint] of [
  ['a full disk', 'PANIC:  could not write to file "x": No space left on device', 'no_room', /make room/],
  [
    "an extension's WAL",
    'FATAL:  resource manager with ID 137 not registered',
    'recovery_failed',
    /drill_preload/,
  ],
  ['a library that is not there', 'FATAL:  could not access file "x"', 'recovery_failed', /drill_preload/],
  [
    'a target out of reach',
    'FATAL:  recovery ended before configured recovery target was reached',
    'target_not_reached',
    /has no such target/,
  ],
  [
    'WAL that is missing',
    'FATAL:  WAL ends before end of online backup',
    'recovery_failed',
    /may read the repository/,
  ],
  ['anything else', 'FATAL:  the sky has fallen', 'recovery_failed', /by hand/],
] as const) {
  test(`${what} is told apart in the server's log`, (t) => {
    const said = `${before}2026-03-14 02:00:01.000 UTC [7] ${log}\n2026-03-14 02:00:01.000 UTC [6] LOG:  shutting down\n`;
    const error = explainServer(said);
    t.is(error.code, code);
    t.is(error.message, `PostgreSQL cannot complete the recovery: ${log.replace(/^\w+: +/, '')}`);
    t.regex(String(error.hint), hint);
  });
}

test('what restore_command said last is part of it', (t) => {
  const log = `${before}holdfast: "a" is damaged: x\n  hint: y\n2026-03-14 02:00:01 UTC [7] FATAL:  could not restore file\n`;
  t.is(
    explainServer(log).message,
    'PostgreSQL cannot complete the recovery: could not restore file; holdfast: "a" is damaged: x',
  );
});

test('a server that ends without a word is quoted', (t) => {
  t.regex(explainServer(before).message, /starting archive recovery$/);
});
