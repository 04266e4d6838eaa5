// bin/exit.js: nobody waits for a thread of the compiler that waits for garbage to be collected.
import test from 'ava';
import { runProcess } from '../support/children.ts';

const exit = new URL('../../bin/exit.js', import.meta.url);
const hot = `const hot = (a) => { let s = 0; for (let i = 0; i < 100; i++) s += a * i; return s; };
  for (let i = 0; i < 200000; i++) hot(i);`;

function run(flag: string, script: string) {
  return runProcess(process.execPath, [
    flag,
    '--input-type=module',
    '--eval',
    `import { compileNoMore, exit } from '${exit.href}'; ${script}`,
  ]);
}

test('a command that ends within a moment compiles nothing in the background', async (t) => {
  const compiled = /completed optimizing/;
  t.regex((await run('--trace-opt', hot)).stdout, compiled);
  t.notRegex((await run('--trace-opt', `compileNoMore(); ${hot}`)).stdout, compiled);
});

test('garbage is collected before a command ends, with its status', async (t) => {
  const collected = /Mark-Compact/;
  const { status, stdout } = await run('--trace-gc', 'exit(7)');
  t.is(status, 7);
  t.regex(stdout, collected);
  t.notRegex((await run('--trace-gc', 'process.exit(7)')).stdout, collected);
});
