import test from 'ava';
import { configurationHelp, configurationTable } from '../../src/config/config-help.ts';
import { allKeys } from '../../src/config/config-keys.ts';

test('every key is documented with its variable, what it accepts and its default', (t) => {
  for (const text of [
    configurationHelp(),
    configurationTable().replaceAll('&lt;', '<').replaceAll('\\|', '|'),
  ]) {
    for (const key of allKeys) {
      for (const part of [key.path, key.variable, key.format.accepts, key.help, key.default ?? '']) {
        t.true(text.includes(part), `${key.path}: ${part}`);
      }
    }
  }
});

test('every default is acceptable', (t) => {
  for (const { format, default: standard } of allKeys) {
    if (standard !== undefined) t.notThrows(() => format.parse(standard));
  }
});
