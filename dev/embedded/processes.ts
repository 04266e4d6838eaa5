// The processes that one process started, and whether a process is still there.
import { readFileSync, readdirSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

interface Entry {
  pid: number;
  parent: number;
  zombie: boolean;
}

export function childrenOf(parent: number): number[] {
  return list()
    .filter((entry) => entry.parent === parent)
    .map((entry) => entry.pid);
}

/** Resolves when none of them is left; a dead process that nobody has collected yet counts as gone. */
export async function untilGone(pids: number[]): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const alive = new Set(list().flatMap(({ pid, zombie }) => (zombie ? [] : [pid])));
    const left = pids.filter((pid) => alive.has(pid));
    if (left.length === 0) return;
    if (Date.now() > deadline) throw new Error(`processes ${left.join(', ')} are still there after 30 s`);
    await sleep(5);
  }
}

function list(): Entry[] {
  return process.platform === 'linux' ? fromProc() : fromPs();
}

function fromProc(): Entry[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      // "pid (name) state parent …", and the name may hold anything.
      const [, state, parent] = /.*\) (\S) (\d+) /s.exec(readFileSync(`/proc/${name}/stat`, 'latin1')) ?? [];
      return [{ pid: Number(name), parent: Number(parent), zombie: state === 'Z' }];
    } catch {
      return []; // ended meanwhile
    }
  });
}

function fromPs(): Entry[] {
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => {
      const [pid, parent, state] = line.trim().split(/\s+/);
      return { pid: Number(pid), parent: Number(parent), zombie: state?.startsWith('Z') ?? false };
    });
}
