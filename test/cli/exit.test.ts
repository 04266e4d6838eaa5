// bin/exit.js: nobody waits for a thread of the compiler that waits for garbage to be collected.
import test from 'ava';
import { runProcess } from '../../dev/harness/children.ts';

const exit = new URL('../../bin/exit.js', import.meta.url);
/** Many functions that are worth compiling, and one that is worth optimizing. */
const hot = `for (let k = 0; k < 300; k++) {
    const warm = new Function('a', 'let s = 0; for (let i = 0; i < 50; i++) s += a * i + ' + k + '; return s');
    for (let i = 0; i < 200; i++) warm(i);
  }
  const hot = (a) => { let s = 0; for (let i = 0; i < 100; i++) s += a * i; return s; };
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
  const optimized = /completed optimizing/;
  t.regex((await run('--trace-opt', hot)).stdout, optimized);
  t.notRegex((await run('--trace-opt', `compileNoMore(); ${hot}`)).stdout, optimized);

  const batches = async (script: string) =>
    (await run('--trace-baseline-batch-compilation', script)).stdout.split('Compiling current batch').length;
  const itself = await batches('');
  t.true((await batches(hot)) > itself + 10);
  // Those of Node, as it starts.
  t.true((await batches(`compileNoMore(); ${hot}`)) <= itself + 1);
});

test('garbage is collected before a command ends, with its status', async (t) => {
  const collected = /Mark-Compact/;
  const { status, stdout } = await run('--trace-gc', 'exit(7)');
  t.is(status, 7);
  t.regex(stdout, collected);
  t.notRegex((await run('--trace-gc', 'process.exit(7)')).stdout, collected);
});
