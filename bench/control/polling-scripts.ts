/** What people use today: a pre-script and a post-script around a psql in the background. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Setting } from './setting.ts';
import { timed, type Latencies } from './latency.ts';

/** undefined where there is no psql. */
export async function pollingScripts(setting: Setting, rounds: number): Promise<Latencies | undefined> {
  if (!existsSync('/usr/bin/psql')) return undefined;
  const latencies: Latencies = { start: [], stop: [] };
  for (let round = 0; round < rounds; round += 1) {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-scripts-'));
    latencies.start.push(await timed(() => run('pre-script.sh', directory, setting.url)));
    latencies.stop.push(await timed(() => run('post-script.sh', directory, setting.url)));
    await rm(directory, { recursive: true });
  }
  return latencies;
}

async function run(script: string, ...args: string[]): Promise<void> {
  const file = fileURLToPath(new URL(`../peers/${script}`, import.meta.url));
  const [status] = (await once(
    spawn('bash', [file, ...args], { stdio: ['ignore', 'ignore', 'inherit'] }),
    'exit',
  )) as [number];
  if (status !== 0) throw new Error(`${script} ended with status ${status}`);
}
