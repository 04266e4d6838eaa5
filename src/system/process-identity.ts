/**
 * Which process it was. A pid alone is given again, a host name is given to two hosts, and a pid of another pid
 * namespace (another container of one pod) means nothing here: so a process is named by the boot of its kernel, its
 * pid namespace, its pid and the moment when it started. See proc(5) and pid_namespaces(7).
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface ProcessIdentity {
  /** For people: it decides nothing. */
  host: string;
  /** Of the kernel's boot; empty where the system does not say. */
  boot: string;
  /** As the kernel names it; empty where the system does not say. */
  pidNamespace: string;
  pid: number;
  /** In clock ticks since the boot; empty where the system does not say. */
  startedAt: string;
}

/** unknown: it ran in another pid namespace, on another host, or before this boot. */
export type ProcessState = 'alive' | 'gone' | 'unknown';

let known: ProcessIdentity | undefined;

export function thisProcess(): ProcessIdentity {
  known ??= {
    host: hostname(),
    boot: bootId() ?? '',
    pidNamespace: pidNamespace(),
    pid: process.pid,
    startedAt: processStart(process.pid),
  };
  return known;
}

/**
 * Whether a process that noted its identity still runs. What only another namespace or another host could say is
 * unknown, never gone: whoever removes a process's files needs a lock, or an age, to decide then.
 */
export function processState(its: ProcessIdentity): ProcessState {
  const here = thisProcess();
  if (its.boot !== here.boot || its.pidNamespace !== here.pidNamespace) return 'unknown';
  if (here.boot === '' && its.host !== here.host) return 'unknown';
  return isAlive(its.pid) && processStart(its.pid) === its.startedAt ? 'alive' : 'gone';
}

/** What was read from a file. @returns undefined where it does not name a process */
export function parseProcess(value: unknown): ProcessIdentity | undefined {
  const { host, boot, pidNamespace: namespace, pid, startedAt } = (value ?? {}) as Record<string, unknown>;
  if (!Number.isSafeInteger(pid) || Number(pid) <= 0) return undefined;
  if (typeof host !== 'string' || typeof boot !== 'string') return undefined;
  if (typeof namespace !== 'string' || typeof startedAt !== 'string') return undefined;
  return { host, boot, pidNamespace: namespace, pid: Number(pid), startedAt };
}

/** Of this kernel. undefined: this system does not say. */
export function bootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** In this pid namespace. A number that is not a pid is not alive: 0 and negative ones would ask for groups. */
export function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** When a process of this pid namespace began, in clock ticks since the boot. Empty where nobody can tell. */
export function processStart(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

/** Whether every process of this kernel can be seen from here, and not only those of one container. */
export function seesAllProcesses(): boolean {
  return pidNamespace() === initialPidNamespace;
}

/** Its number is fixed (PROC_PID_INIT_INO in the kernel's include/linux/proc_ns.h). */
const initialPidNamespace = 'pid:[4026531836]';

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}
