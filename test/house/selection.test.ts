import { existsSync, readFileSync } from 'node:fs';
import test from 'ava';
import { exhaustive, forErrorCodes, promises, quickFiles } from '../../dev/test-selection.ts';
import { read } from '../docs/pages.ts';

const scenario = (name: string) => `test/scenarios/${name}.test.ts`;

test('every file in the lists of npm test exists', (t) => {
  const scenarios = [...Object.values(promises).flat(), ...forErrorCodes];
  const named = [...scenarios.map(scenario), ...exhaustive.map((name) => `test/${name}.test.ts`)];
  t.deepEqual(
    named.filter((file) => !existsSync(file)),
    [],
  );
});

test('the index of promises in docs/development.md is the one that npm test follows', (t) => {
  const section =
    read('docs/development.md')
      .split('\n## ')
      .find((part) => part.startsWith('Promises')) ?? '';
  for (const [promise, scenarios] of Object.entries(promises)) {
    t.true(scenarios.length > 0, promise);
    const row = section.split('\n').find((line) => line.includes(promise)) ?? '';
    const named = [...(row.split('|')[2] ?? '').matchAll(/`([a-z-]+)`/g)].map(([, name]) => name);
    t.deepEqual(named, [...scenarios], promise);
  }
});

/**
 * No test ends a request with these: no older server is there, no server recycles WAL faster than a worker takes it at a
 * moment that a test can choose, and the others stand for what has no code of its own.
 */
const untried = ['unsupported_version', 'wal_missing', 'copy_failed', 'backup_failed'];

test('npm test ends a request with every error code', (t) => {
  const codes = read('docs/sql-api.md').split('\n## Error codes of a request')[1]?.split('\n## ')[0] ?? '';
  const documented = [...codes.matchAll(/^\| ((?:`[a-z_]+`(?:, )?)+)/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([a-z_]+)`/g)].map(([, code = '']) => code),
  );
  t.true(documented.length > 30);
  const tests = quickFiles()
    .filter((file) => /^test\/(scenarios|identity|backup|repository|cli)\//.test(file))
    .map((file) => readFileSync(file, 'utf8'));
  const isTried = (code: string) => tests.some((text) => new RegExp(`['"\`]${code}['"\`]`).test(text));
  t.deepEqual(
    documented.filter((code) => isTried(code) === untried.includes(code)),
    [],
  );
});
