// What stands twice below src/ has a name.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const source = fileURLToPath(new URL('../../src/', import.meta.url));
/** Lines that may not stand in two places. */
const most = 6;

interface Line {
  text: string;
  number: number;
}

/** The lines that say something: without comments, imports, blank lines, and lines that only close or open. */
function linesOf(text: string): Line[] {
  const withoutComments = text.replace(/\/\*.*?\*\//gs, (comment) => comment.replace(/[^\n]/g, ''));
  const withoutImports = withoutComments.replace(/^import [^;]*;$/gms, (statement) =>
    statement.replace(/[^\n]/g, ''),
  );
  return withoutImports
    .split('\n')
    .map((line, at) => ({ text: line.replace(/\s\/\/ .*|^\/\/.*/, '').trim(), number: at + 1 }))
    .filter((line) => /\w/.test(line.text));
}

/** The places that share lines, as `a.ts:10-17 = b.ts:20-27`. */
function pairsIn(files: ReadonlyMap<string, string>): string[] {
  const seen = new Map<string, { file: string; lines: Line[]; at: number }>();
  const pairs: string[] = [];
  for (const [file, text] of files) {
    const lines = linesOf(text);
    for (let at = 0; at + most <= lines.length; at += 1) {
      const key = lines
        .slice(at, at + most)
        .map((line) => line.text)
        .join('\n');
      const other = seen.get(key);
      if (other === undefined) seen.set(key, { file, lines, at });
      else {
        let length = most;
        while (lines[at + length] && lines[at + length]?.text === other.lines[other.at + length]?.text)
          length += 1;
        pairs.push(`${place(other.file, other.lines, other.at, length)} = ${place(file, lines, at, length)}`);
        at += length - 1;
      }
    }
  }
  return pairs;
}

function place(file: string, lines: readonly Line[], at: number, length: number): string {
  return `${file}:${lines[at]?.number}-${lines[at + length - 1]?.number}`;
}

const files = new Map(
  readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => [name, readFileSync(join(source, name), 'utf8')] as const),
);

test('no two places below src/ share six lines', (t) => {
  t.true(files.size > 300);
  t.deepEqual(pairsIn(files), []);
});

test('two places that share six lines are found, with imports and comments between them', (t) => {
  const lines = ['a();', 'b();', 'c();', 'd();', 'e();', 'f();', 'g();'];
  const probes = new Map([
    ['one.ts', `import x from 'x';\n\n${lines.join('\n// a word\n')}\n`],
    ['two.ts', `before();\n/** What it\n is. */\n${lines.join('\n}\n')}\n`],
    ['three.ts', lines.slice(0, 5).join('\n')],
  ]);
  t.deepEqual(pairsIn(probes), ['one.ts:3-15 = two.ts:4-16']);
});
