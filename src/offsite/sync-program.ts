/**
 * Runs the program that sends files off-site. The program never runs twice at a time, even if its starter was
 * killed: the program inherits a lock of its own, and timeout(1), which limits the time, lives as long as the
 * program.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError, messageOf } from '../errors.ts';
import { beside, canHold, noFollow, within } from '../system/held-directory.ts';
import { makeLock } from '../repository/repository-owner.ts';
import { withoutSecrets } from '../system/program-environment.ts';

/** One run of the program. */
export interface SyncProgram {
  /** The program and its first arguments. */
  command: readonly string[];
  /** Further arguments. */
  args: readonly string[];
  /** The working directory. */
  directory: string;
  /** The directory of the lock and of the output. */
  place: string;
  /** Milliseconds; 0 means no limit. */
  timeout: number;
  /** Aborts the run. undefined means never. */
  signal: AbortSignal | undefined;
}

/** Seconds from the first signal to SIGKILL. */
const grace = 10;
/**
 * The exit statuses of timeout(1) after the time limit. After SIGKILL, timeout(1) dies of that signal, too.
 */
const ranOut = [124, 137, 'SIGKILL'];
/** Bytes at the end of the output that are searched for the last line. */
const tail = 2000;

/**
 * Runs the program, and resolves if the program ends with status 0.
 * @throws HoldfastError `sync_failed`, `sync_timeout`
 */
export async function runSyncProgram(program: SyncProgram): Promise<void> {
  const output = await openOutput(join(program.place, 'output'));
  try {
    const began = performance.now();
    const status = await runLocked(program, output);
    if (status === 0) return;
    program.signal?.throwIfAborted();
    const [name] = program.command;
    const said = await lastLine(output);
    const took = performance.now() - began;
    if (program.timeout > 0 && took >= program.timeout && ranOut.includes(status ?? '')) {
      throw new HoldfastError(
        'failed',
        `the sync program "${name}" took longer than ${program.timeout / 1000} s${said}`,
        {
          code: 'sync_timeout',
          hint: 'see why the program hangs, or give it more time (sync_timeout of the cluster)',
        },
      );
    }
    throw new HoldfastError('failed', `the sync program "${name}" ended with ${status}${said}`, {
      code: 'sync_failed',
      hint: `read its whole output in "${join(program.place, 'output')}"`,
    });
  } finally {
    await output.close();
  }
}

/** Another user may have put a link or a pipe there: each run has a new file. */
function openOutput(path: string): Promise<FileHandle> {
  return beside(path, async (file) => {
    await rm(file, { force: true });
    return open(file, 'wx+', 0o600);
  });
}

/**
 * Runs the program under its lock. As root, the lock and the working directory are passed as open files, so
 * that no other user can replace them.
 */
async function runLocked(program: SyncProgram, output: FileHandle): Promise<number | string | null> {
  const lock = join(program.place, 'program');
  if (!canHold()) return run(program, { output, lock });
  const held = await beside(lock, async (file) => {
    await makeLock(file);
    return open(file, constants.O_RDONLY | noFollow);
  });
  try {
    return await within(program.directory, (directory) =>
      run({ ...program, directory }, { output, lock: '/proc/self/fd/3', held }),
    );
  } finally {
    await held.close();
  }
}

function run(
  { command, args, directory, timeout, signal }: SyncProgram,
  { output, lock, held }: { output: FileHandle; lock: string; held?: FileHandle },
): Promise<number | string | null> {
  // With --no-fork of flock(1), timeout(1) waits for the program itself, even if the program ignores the
  // first signal.
  const limited = [`--kill-after=${grace}`, String(timeout / 1000), 'flock', '--no-fork', lock];
  return new Promise((resolve, reject) => {
    const child = spawn('timeout', [...limited, ...command, ...args], {
      cwd: directory,
      env: withoutSecrets(process.env),
      stdio: ['ignore', output.fd, output.fd, ...(held === undefined ? [] : [held.fd])],
    });
    const end = () => child.kill('SIGTERM');
    signal?.addEventListener('abort', end, { once: true });
    if (signal?.aborted === true) end();
    child.once('error', (error) => {
      signal?.removeEventListener('abort', end);
      reject(
        new HoldfastError('failed', `timeout(1) cannot be run: ${messageOf(error)}`, {
          code: 'sync_failed',
          hint: 'install coreutils, and util-linux for flock(1): both have to be on the PATH',
        }),
      );
    });
    child.once('exit', (status, killedBy) => {
      signal?.removeEventListener('abort', end);
      const wasEnded = ranOut.includes(status ?? '') || signal?.aborted === true;
      void (wasEnded ? endGroup(Number(child.pid)) : Promise.resolve()).then(() =>
        resolve(status ?? killedBy),
      );
    });
  });
}

/**
 * Ends the processes that the program has started, which are in the same process group. timeout(1) waits for
 * the program only, and the group gets the same grace.
 */
async function endGroup(group: number): Promise<void> {
  const deadline = performance.now() + grace * 1000;
  while (performance.now() < deadline) {
    if (!reaches(group, 0)) return;
    await sleep(100);
  }
  reaches(group, 'SIGKILL');
}

/** Sends a signal to a process group; 0 only tests for the group. Returns false if the group is gone. */
function reaches(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, signal);
  } catch {
    return false;
  }
}

async function lastLine(output: FileHandle): Promise<string> {
  const { size } = await output.stat();
  const { buffer, bytesRead } = await output.read(Buffer.alloc(tail), 0, tail, Math.max(0, size - tail));
  const text = buffer.subarray(0, bytesRead).toString('utf8');
  const line = text.trimEnd().split('\n').at(-1)?.trim() ?? '';
  return line === '' ? '' : `: ${line}`;
}
