/**
 * Processor time of everything that a benchmark starts, whoever waits for it: a pid namespace of its own has no other
 * processes, and the times of those that have ended are added to whoever waited for them, at last its first process.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const isFirst = '/proc/1/cmdline';
/** What begins the first process of such a namespace, which waits for every orphan. */
const waiting = 'holdfast-bench';

/** Runs the whole program again in a pid namespace of its own, and ends with its status; goes on here if that cannot be. */
export function inOwnNamespace(): void {
  if (process.getuid?.() !== 0 || counts()) return;
  const { status, error } = spawnSync(
    'unshare',
    [
      '--pid',
      '--fork',
      '--mount-proc',
      '--kill-child',
      'sh',
      '-c',
      '"$@"; exit $?',
      waiting,
      ...process.argv,
    ],
    { stdio: 'inherit' },
  );
  if (error === undefined) process.exit(status ?? 1);
}

/** Seconds so far, without those of this process itself; undefined where others' would be counted. */
export function processorSeconds(): number | undefined {
  if (!counts()) return undefined;
  const ticks = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => timesOf(pid).slice(pid === String(process.pid) ? 2 : 0));
  return ticks.reduce((sum, one) => sum + one, 0) / ticksPerSecond;
}

/** What something took. */
export interface Taken {
  seconds: number;
  /** Seconds of processor time; undefined where they cannot be counted. */
  processor: number | undefined;
}

/** Begins to measure; the function returned says what it has taken since. */
export function stopwatch(): () => Taken {
  const before = processorSeconds();
  const began = performance.now();
  return () => {
    const seconds = (performance.now() - began) / 1000;
    const after = processorSeconds();
    return { seconds, processor: before === undefined || after === undefined ? undefined : after - before };
  };
}

/** The kernel's USER_HZ, which is the same on every common platform. */
const ticksPerSecond = 100;

function counts(): boolean {
  return readFileSync(isFirst, 'utf8').split('\0').includes(waiting);
}

/** utime, stime, cutime, cstime: see proc(5). */
function timesOf(pid: string): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).map(Number);
  } catch {
    return []; // it has just ended
  }
}
