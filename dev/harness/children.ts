// Programs run as a user would run them: in processes of their own, which never outlive the one that starts them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { leash } from './leash.ts';

export interface Finished {
  /** Null when a signal ended it. */
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface RunningProcess {
  readonly pid: number;
  readonly exited: Promise<Finished>;
  /** What it has said so far, both streams in the order in which it came. */
  output(): string;
  /** Resolves with the first line that matches, said already or yet to come; rejects if it ends before. */
  untilLine(pattern: RegExp): Promise<string>;
  kill(signal?: NodeJS.Signals): void;
}

export interface ProcessOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  input?: string;
  /** Whom it runs as, for root only. */
  as?: { uid: number; gid: number } | undefined;
}

/** A test, or what else ends one day. */
export interface Teardown {
  teardown(end: () => unknown): void;
}

/** Starts a program that is killed at the end of the test, if it is still there; a crash before that fails the test. */
export async function startProcess(
  t: Teardown,
  command: string,
  args: string[],
  options: ProcessOptions = {},
): Promise<RunningProcess> {
  const running = await launch(command, args, options);
  t.teardown(async () => {
    running.kill('SIGKILL');
    const { signal } = await running.exited;
    if (signal !== null && crashes.includes(signal))
      throw new Error(`${command} ${args.join(' ')} crashed with ${signal}:\n${running.output()}`);
  });
  return running;
}

/** What ends a program that has a bug of its own, or whose runtime has one. */
const crashes: NodeJS.Signals[] = ['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV', 'SIGTRAP'];

/** Runs a program to its end, whatever its exit status. */
export async function runProcess(
  command: string,
  args: string[],
  options: ProcessOptions = {},
): Promise<Finished> {
  return (await launch(command, args, options)).exited;
}

/** Whoever starts it has to end it. */
export async function launch(
  command: string,
  args: string[],
  { env, cwd, input, as }: ProcessOptions,
): Promise<RunningProcess> {
  const child = spawn(command, args, { cwd, env: env ?? process.env, stdio: 'pipe', ...as });
  const said = { stdout: '', stderr: '', both: '' };
  const listeners = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
      said.both += text;
      for (const listener of listeners) listener();
    });
  }
  const exited = new Promise<Finished>((resolve) => {
    child.once('close', (status, signal) =>
      resolve({ status, signal, stdout: said.stdout, stderr: said.stderr }),
    );
  });
  await once(child, 'spawn');
  const pid = Number(child.pid);
  const release = leash(pid);
  child.once('exit', release);
  // A program that ends without reading its input is no error here.
  child.stdin.on('error', () => {});
  child.stdin.end(input);

  return {
    pid,
    exited,
    output: () => said.both,
    kill: (signal = 'SIGKILL') => void child.kill(signal),
    untilLine(pattern) {
      return new Promise((resolve, reject) => {
        const look = () => {
          const line = said.both.split('\n').find((candidate) => pattern.test(candidate));
          if (line === undefined) return false;
          listeners.delete(look);
          resolve(line);
          return true;
        };
        listeners.add(look);
        if (look()) return;
        void exited.then(({ status, signal }) => {
          if (!look())
            reject(new Error(`ended with ${signal ?? status} before it said ${pattern}:\n${said.both}`));
        });
      });
    },
  };
}
