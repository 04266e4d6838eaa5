// What a program asks the kernel to do with files, as strace sees it: all of its threads, in one order.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import {
  runProcess,
  startProcess,
  type ProcessOptions,
  type RunningProcess,
} from '../../dev/harness/children.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface SystemCall {
  name: string;
  /** As strace writes them, long strings cut off. */
  args: string;
  /** In the order of all beginnings and ends. */
  begins: number;
  ends: number;
}

export interface TracedProcess extends RunningProcess {
  /** Those that succeeded, by their ends; once the process has ended. */
  calls(): Promise<SystemCall[]>;
}

const traced =
  `open openat mkdir mkdirat link linkat symlink symlinkat rename renameat renameat2 unlink unlinkat
  rmdir fsync fdatasync write pwrite64 writev pwritev pwritev2 ftruncate copy_file_range sendfile`.split(
    /\s+/,
  );
/** As a grandchild: the program itself is the child, which can be killed and leaves no tracer behind. */
const options = ['-D', '-f', '-qq', '-y', '-s', '400', '-e', `trace=${traced.map((n) => `?${n}`).join()}`];

/** For testWhen(): why no program can be traced here; undefined when one can. */
export const noStrace = await obstacle();

async function obstacle(): Promise<string | undefined> {
  const { status } = await runProcess('sh', ['-c', 'strace -D -qq -o /dev/null true 2>&1']);
  if (status === 0) return undefined;
  return status === 127 ? 'there is no program strace' : 'no process may be traced here';
}

/** Kills it at the end of the test, if it is still there. */
export async function startTraced(
  t: ExecutionContext,
  command: string,
  args: string[],
  rest: ProcessOptions = {},
): Promise<TracedProcess> {
  const file = join(await temporaryDirectory(t), 'trace');
  const process = await startProcess(t, 'strace', [...options, '-o', file, command, ...args], rest);
  return { ...process, calls: async () => parseTrace(await readFile(file, 'utf8')) };
}

/** A call that others interrupt has two lines: "… <unfinished ...>" and "<... name resumed> …". */
export function parseTrace(text: string): SystemCall[] {
  const begun = new Map<string, Pick<SystemCall, 'name' | 'args' | 'begins'>>();
  const calls: SystemCall[] = [];
  for (const [number, line] of text.split('\n').entries()) {
    const [, pid = '', said = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const [, resumed] = /^<\.\.\. \w+ resumed>(.*)$/.exec(said) ?? [];
    const [, name, args = ''] = /^(\w+)\((.*)$/.exec(said) ?? [];
    if (name !== undefined) begun.set(pid, { name, args, begins: number });
    const call = begun.get(pid);
    if (call === undefined || said.endsWith('<unfinished ...>')) continue;
    if (resumed !== undefined) call.args = call.args.replace(/ *<unfinished \.\.\.>$/, resumed);
    begun.delete(pid);
    if (/\) += \d+[^=]*$/.test(call.args)) calls.push({ ...call, ends: number });
  }
  return calls.map(byPath());
}

/** As root the program reaches names by what is open: /proc/self/fd/N is the directory that was opened as N last. */
function byPath(): (call: SystemCall) => SystemCall {
  const opened = new Map<string, string>();
  return (call) => {
    const args = call.args.replaceAll(
      /"\/proc\/self\/fd\/(\d+)/g,
      (found, fd: string) => `"${opened.get(fd) ?? found.slice(1)}`,
    );
    const [, fd, path] = /\) += (\d+)<([^>]*)>/.exec(args) ?? [];
    if (fd !== undefined && path !== undefined && call.name.startsWith('open')) opened.set(fd, path);
    return { ...call, args };
  };
}
