// Whoever looks for something by its name finds one place.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const source = fileURLToPath(new URL('../../src/', import.meta.url));
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.ts'),
);

const exported =
  /^export (?:async )?(?:abstract )?(?:function\*?|class|interface|type|const|let|enum) (\w+)/gm;

/** What stands in more than one file, with the files. */
function twice(names: Iterable<readonly [name: string, file: string]>): string[] {
  const where = new Map<string, Set<string>>();
  for (const [name, file] of names) where.set(name, (where.get(name) ?? new Set()).add(file));
  return [...where].filter(([, at]) => at.size > 1).map(([name, at]) => `${name}: ${[...at].join(', ')}`);
}

test('no exported name below src/ stands for two things', (t) => {
  const names = files.flatMap((file) =>
    [...readFileSync(join(source, file), 'utf8').matchAll(exported)].map(
      ([, name = '']) => [name, file] as const,
    ),
  );
  t.true(names.length > 1000);
  t.deepEqual(twice(names), []);
});

test('no two files below src/ have one name', (t) => {
  t.deepEqual(twice(files.map((file) => [basename(file), file] as const)), []);
});
