import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import { pages, pathOf, read } from './pages.ts';

test('every link within the project leads somewhere', (t) => {
  for (const page of [...pages, 'examples/README.md']) {
    for (const [, target = '', anchor] of read(page).matchAll(/\]\(([^)#\s]*)(#[^)\s]*)?\)/g)) {
      if (/^https?:/.test(target)) continue;
      const path = target === '' ? pathOf(page) : join(dirname(pathOf(page)), target);
      t.true(existsSync(path), `${page}: ${target}`);
      if (anchor !== undefined)
        t.true(anchors(readFileSync(path, 'utf8')).includes(anchor), `${page}: ${anchor}`);
    }
  }
});

function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(
    ([, title = '']) => `#${title.toLowerCase().replaceAll(' ', '-')}`,
  );
}
