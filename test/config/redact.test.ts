import test from 'ava';
import { redact } from '../../src/config/redact.ts';

for (const [text, shown] of [
  ['postgres://host/db', 'postgres://host/db'],
  ['postgres://user@host/db', 'postgres://user@host/db'],
  ['postgres://user:secret@host/db', 'postgres://user:***@host/db'],
  ['postgres://user:se@cr/et@host/db', 'postgres://user:***@host/db'],
  ['postgres://:secret@host/db', 'postgres://:***@host/db'],
  ['user:secret@host', 'user:***@host'],
  [
    'postgres://host/db?user=u&password=secret&sslmode=require',
    'postgres://host/db?user=u&password=***&sslmode=require',
  ],
  ["host=h password = 'se cret' port=1", 'host=h password = *** port=1'],
  ['/var/lib/holdfast', '/var/lib/holdfast'],
] as const) {
  test(`"${shown}" is what is shown of "${text}"`, (t) => {
    t.is(redact(text), shown);
  });
}
