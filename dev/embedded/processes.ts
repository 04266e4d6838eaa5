// Looks at other processes, and waits for them.
import { readFileSync, readdirSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { eventually } from '../harness/eventually.ts';

const patience = { within: 30_000, every: 5 };

interface Entry {
  pid: number;
  parent: number;
  /** As ps shows it: Z, dead and not collected yet; T, stopped; … */
  state: string;
}

/** Stops a process, so that it starts no others, and resolves with those it has. */
export async function freeze(pid: number): Promise<number[]> {
  process.kill(pid, 'SIGSTOP');
  // The signal takes effect when that process next runs, which may be in the middle of starting another.
  const isStopped = () => list().every((it) => it.pid !== pid || it.state === 'T');
  await eventually(`process ${pid} is stopped`, isStopped, patience);
  return list().flatMap((it) => (it.parent === pid ? [it.pid] : []));
}

/** Resolves when none of them is left; a dead process that nobody has collected yet counts as gone. */
export async function untilGone(pids: number[]): Promise<void> {
  const areGone = () => list().every(({ pid, state }) => state === 'Z' || !pids.includes(pid));
  await eventually(`processes ${pids.join(', ')} are gone`, areGone, patience);
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
      return [{ pid: Number(name), parent: Number(parent), state: state ?? '' }];
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
      return { pid: Number(pid), parent: Number(parent), state: state?.charAt(0) ?? '' };
    });
}
