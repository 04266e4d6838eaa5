// Runs what is built, in the package; the sources themselves, in a checkout.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import v8 from 'node:v8';
import { enableCompileCache } from './compile-cache.js';
import { exit } from './exit.js';
import { takeHiddenArguments, withHiddenArguments } from './hidden-arguments.js';

const source = new URL('../src/cli/main.ts', import.meta.url);
const built = new URL('../dist/program/main.js', import.meta.url);
const development = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));

if (!existsSync(source)) await run(built);
else if (readsSources()) await run(source);
else if (existsSync(development) && !process.env.HOLDFAST_RELAUNCHED) relaunch();
else {
  console.error(`holdfast: a checkout needs Node 24 or newer, and this is ${process.version}: run "npm ci"`);
  process.exit(process.argv[3] === 'fetch' ? 200 : 2); // for "wal fetch", 2 would be the end of the archive
}

/** Node 22 strips types, and does not know `using`, which the build translates. */
function readsSources() {
  return process.features.typescript && 'AsyncDisposableStack' in globalThis;
}

async function run(main) {
  // What V8 makes room for while it loads, it keeps: a worker does with less until it copies (src/system/young-generation.ts).
  if (process.argv.includes('worker')) v8.setFlagsFromString('--semi-space-growth-factor=1');
  enableCompileCache();
  if (process.env.HOLDFAST_RELAUNCHED) takeHiddenArguments();
  const { main: holdfast } = await import(main.href);
  exit(await holdfast(process.argv.slice(2))); // whatever connection may still be open
}

/** With the checkout's own Node, which ends as this does. */
function relaunch() {
  process.removeAllListeners('beforeExit');
  const { args, env } = withHiddenArguments();
  const child = spawn(development, args, {
    stdio: 'inherit',
    env: { ...process.env, ...env, HOLDFAST_RELAUNCHED: '1' },
  });
  // A terminal sends its signals to both; a second one would mean more haste.
  const toBoth = process.stdin.isTTY ? ['SIGINT', 'SIGHUP'] : [];
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => toBoth.includes(signal) || child.kill(signal));
  }
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 1;
    if (!signal) return;
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
