// The holdfast program of this checkout, in this terminal.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { leash } from '../harness/leash.ts';

const program = fileURLToPath(new URL('../../bin/holdfast.js', import.meta.url));

/** Runs one command to its end, without a word unless it fails. */
export async function holdfast(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [status] = (await once(child, 'exit')) as [number | null];
  if (status !== 0) throw new Error(`holdfast ${args.join(' ')} failed`);
}

/** Resolves with the worker's exit status; SIGINT and SIGTERM drain it. */
export async function runWorkerUntilStopped(env: NodeJS.ProcessEnv): Promise<number> {
  const worker = spawn(process.execPath, [program, 'worker'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
    // Not in the terminal's process group: it is told by us, once.
    detached: true,
  });
  const stopPassing = passSignals(worker);
  const release = leash(Number(worker.pid));
  try {
    const [status, signal] = (await once(worker, 'exit')) as [number | null, NodeJS.Signals | null];
    if (signal) throw new Error(`the worker was ended by ${signal}`);
    return status ?? 1;
  } finally {
    release();
    stopPassing();
  }
}

/** Ctrl-C reaches us twice, from the terminal and from npm, and to the worker a second one means haste. */
const sameKeystroke = 300;

function passSignals(worker: ChildProcess): () => void {
  let last = -Infinity;
  const pass = (signal: NodeJS.Signals) => {
    if (performance.now() - last < sameKeystroke) return;
    last = performance.now();
    worker.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, pass);
  return () => signals.forEach((signal) => process.off(signal, pass));
}
