// The holdfast command, as installed in a checkout: run to its end, or as a worker that goes on.
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  runProcess,
  startProcess,
  type Finished,
  type RunningProcess,
  type Teardown,
} from '../../dev/harness/children.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { program } from './programs.ts';

export interface HoldfastOptions {
  /** The control database, as DATABASE_URL. */
  url?: string;
  env?: NodeJS.ProcessEnv;
  input?: string;
  cwd?: string;
  /** Whom it runs as, for root only. */
  as?: { uid: number; gid: number } | undefined;
}

/** Runs one command to its end: `holdfast(['status', '--json'], { url })`. */
export function holdfast(args: string[], { url, env, ...rest }: HoldfastOptions = {}): Promise<Finished> {
  return runProcess(process.execPath, [program, ...args], { ...rest, env: environment(url, env) });
}

/** Starts one command and leaves it running until the test ends. */
export function startHoldfast(
  t: Teardown,
  args: string[],
  { url, env, ...rest }: HoldfastOptions = {},
): Promise<RunningProcess> {
  return startProcess(t, process.execPath, [program, ...args], { ...rest, env: environment(url, env) });
}

export interface WorkerOptions {
  url: string;
  /** The text of a configuration file. */
  config?: string;
  env?: NodeJS.ProcessEnv;
  args?: string[];
}

export interface WorkerProcess extends RunningProcess {
  /** Where it keeps its label files; configuration or environment may say otherwise. */
  readonly labels: string;
}

/** A worker in a process of its own, which resolves once it has said that it is ready. */
export async function startWorkerProcess(t: Teardown, options: WorkerOptions): Promise<WorkerProcess> {
  const directory = await temporaryDirectory(t);
  const args = ['worker', ...(options.args ?? [])];
  if (options.config !== undefined) {
    const file = join(directory, 'holdfast.toml');
    await writeFile(file, options.config);
    args.push('--config', file);
  }
  const labels = options.env?.['HOLDFAST_LABELS'] ?? join(directory, 'labels');
  const defaults = {
    name: `worker-${randomBytes(3).toString('hex')}`,
    labels,
    repository: join(directory, 'repository'),
  };
  const env = { ...unlessConfigured(defaults, options.config ?? ''), ...options.env };
  const worker = await startHoldfast(t, args, { url: options.url, env });
  await worker.untilLine(/\bready\b/);
  return { ...worker, labels };
}

/** As variables; a variable beats the configuration file, so what that sets is left out. */
function unlessConfigured(defaults: Record<string, string>, config: string): NodeJS.ProcessEnv {
  const left = Object.entries(defaults).filter(([key]) => !new RegExp(`^\\s*${key}\\s*=`, 'm').test(config));
  return Object.fromEntries(left.map(([key, value]) => [`HOLDFAST_${key.toUpperCase()}`, value]));
}

/** Ours, less whatever would point the command at another database or configuration than the test's. */
function environment(url: string | undefined, env: NodeJS.ProcessEnv | undefined): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(PG|HOLDFAST_|DATABASE_URL$)/.test(name),
  );
  return { ...Object.fromEntries(inherited), ...(url !== undefined && { DATABASE_URL: url }), ...env };
}
