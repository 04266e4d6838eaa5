import { globSync } from 'node:fs';
import test from 'ava';
import { majors } from '../../dev/embedded/binaries.ts';
import { filesFor } from '../../dev/matrix.ts';

test('every name in the lists of the matrix is one of a file of tests', (t) => {
  for (const major of majors) {
    const files = filesFor(major).flatMap((file) => alternatives(file.replace(/^!/, '')));
    t.deepEqual(
      files.filter((file) => globSync(file).length === 0),
      [],
      `PostgreSQL ${major}`,
    );
  }
});

/** Each by itself, as one of them would do for the whole. */
function alternatives(pattern: string): string[] {
  const [, before = '', inside, after = ''] = /^(.*)\{(.*)\}(.*)$/.exec(pattern) ?? [];
  return inside === undefined ? [pattern] : inside.split(',').map((one) => `${before}${one}${after}`);
}
