/** How long something takes, the processor time that it takes, and the most memory that its processes had together. */
import { readdir, readFile } from 'node:fs/promises';

export interface Run {
  seconds: number;
  /** MB, of the processes that were started, or of one that was there before; each counted in full. */
  peak: number;
  /** Seconds of processors, of the processes that were started and of those that were there before. */
  cpu: number;
}

/** Milliseconds. To look at all processes takes time that what is measured does not have. */
const lookEvery = 100;
const lookForNewEvery = 1000;

/** `pid`: the process whose memory it is; `servers`: others whose processor time belongs to it. */
export async function measured(
  work: () => Promise<void>,
  pid?: () => number,
  servers: readonly number[] = [],
): Promise<Run> {
  let peak = 0;
  const before = new Set(await descendants(process.pid));
  let started: number[] = [];
  let looked = -Infinity;
  const residentOfStarted = async () => {
    if (performance.now() - looked > lookForNewEvery) {
      looked = performance.now();
      started = (await descendants(process.pid)).filter((found) => !before.has(found));
    }
    return (await Promise.all(started.map(resident))).reduce((sum, size) => sum + size, 0);
  };
  const look = async () => {
    peak = Math.max(peak, pid === undefined ? await residentOfStarted() : await resident(pid()));
  };
  const busy = [...(pid === undefined ? [] : [pid()]), ...servers];
  const cpuBefore = await processorTime(busy);
  const watching = setInterval(() => void look().catch(() => undefined), lookEvery);
  const began = performance.now();
  try {
    await work();
  } finally {
    clearInterval(watching);
  }
  const seconds = (performance.now() - began) / 1000;
  return { seconds, peak, cpu: (await processorTime(busy)) - cpuBefore };
}

/** Of the kernel's clock, in which /proc counts. */
const ticksPerSecond = 100;

/** Seconds of the given processes, of their children that have ended, and of this process's children that have ended. */
async function processorTime(pids: readonly number[]): Promise<number> {
  const [, , ...ended] = await ticksOf(process.pid);
  const ticks = [ended, ...(await Promise.all(pids.map(ticksOf)))].flat();
  return ticks.reduce((sum, one) => sum + one, 0) / ticksPerSecond;
}

/** User and system time of a process, and of its children that have ended (proc(5)). */
async function ticksOf(pid: number): Promise<number[]> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  return stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
    .map(Number);
}

async function descendants(root: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => '');
    parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent === root || (parent !== undefined && parent > 1 && isBelow(parent));
  };
  return [...parents.keys()].filter(isBelow);
}

async function resident(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024;
}
