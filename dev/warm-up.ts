// Fills the compile cache of the tests. Node writes the cache when a process ends by itself, and most workers of the
// tests are killed: without a worker that drains, each of hundreds of workers compiles the same sources anew.
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { scratchDirectory } from './embedded/cache.ts';
import { createCluster, type EmbeddedCluster } from './embedded/cluster.ts';
import { run } from './embedded/run.ts';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';

/** Runs each kind of process once, unless that was done since the sources were changed. `env`: the tests' own. */
export async function warmUp(env: NodeJS.ProcessEnv): Promise<void> {
  const stamp = join(String(env['NODE_COMPILE_CACHE']), 'warmed-up-for');
  // The name of the package is made of all that it has.
  const sources = `${process.version} ${env['TEST_PACKAGE']}\n`;
  if ((await readFile(stamp, 'utf8').catch(() => undefined)) === sources) return;
  const directory = await scratchDirectory();
  // the copy brings the WAL that it needs
  const cluster = await createCluster({ settings: { archive_mode: 'off' } });
  try {
    await play(cluster, directory, env);
    // Under its name at once: another checkout may have the same file, as a link.
    await writeFile(`${stamp}.new`, sources);
    await rename(`${stamp}.new`, stamp);
  } finally {
    await cluster.remove();
    await rm(directory, { recursive: true, force: true });
  }
}

/** An installation, a worker, a held backup, a copy, its verification and its restore. */
async function play(
  cluster: EmbeddedCluster,
  directory: string,
  inherited: NodeJS.ProcessEnv,
): Promise<void> {
  await cluster.start();
  const env = {
    ...inherited,
    DATABASE_URL: cluster.url(),
    HOLDFAST_LABELS: join(directory, 'labels'),
    HOLDFAST_REPOSITORY: join(directory, 'repository'),
  };
  const program = join(String(inherited['TEST_PACKAGE']), 'bin', 'holdfast.js');
  const holdfast = (...args: string[]) => run(process.execPath, [program, ...args], { env });
  await holdfast('install');
  const worker = spawn(process.execPath, [program, 'worker'], { env, stdio: 'ignore' });
  const ended = once(worker, 'exit');
  try {
    await holdfast('start', 'held', '--fast', '--no-wait-for-archive', '--timeout', '60s');
    await holdfast('stop', 'held');
    await holdfast('start', 'copied', '--method', 'copy', '--wait', '--fast', '--timeout', '60s');
    await holdfast('status');
    await holdfast('verify', '--all');
    await holdfast('restore', '--to', join(directory, 'restored'), '--no-archiving');
  } finally {
    worker.kill('SIGTERM');
    await ended;
  }
}
