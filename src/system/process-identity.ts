/**
 * Identifies a process across hosts and reboots. A pid is reused, two hosts may have the same name, and a pid of
 * another pid namespace (for example another container of a pod) has another meaning here. Therefore an identity
 * consists of the boot id of the kernel, the pid namespace, the pid and the start time. See proc(5) and
 * pid_namespaces(7).
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** The identity of a process. */
export interface ProcessIdentity {
  /** The host name, for people. Compared only where the boot id is empty. */
  host: string;
  /** The boot id of the kernel; empty where the system has none. */
  boot: string;
  /** The pid namespace by the kernel's name; empty where the system has none. */
  pidNamespace: string;
  pid: number;
  /** The start time in clock ticks since the boot; empty where the system does not tell. */
  startedAt: string;
}

/** unknown: the process was started in another pid namespace, on another host or before this boot. */
export type ProcessState = 'alive' | 'gone' | 'unknown';

let known: ProcessIdentity | undefined;

/** Returns the identity of this process. */
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
 * Whether the process still runs. A process in another namespace or on another host is unknown, never gone. To remove
 * the files of such a process, the caller needs a lock, or the age of the files.
 */
export function processState(its: ProcessIdentity): ProcessState {
  const here = thisProcess();
  if (its.boot !== here.boot || its.pidNamespace !== here.pidNamespace) return 'unknown';
  if (here.boot === '' && its.host !== here.host) return 'unknown';
  return stateOfPid(its.pid, its.startedAt);
}

/** Whether the process that has this pid in this pid namespace is the one that began at `startedAt`. */
export function stateOfPid(pid: number, startedAt: unknown): 'alive' | 'gone' {
  return isAlive(pid) && processStart(pid) === startedAt ? 'alive' : 'gone';
}

/** Checks an identity read from a file. @returns undefined where the value is not an identity */
export function parseProcess(value: unknown): ProcessIdentity | undefined {
  const { host, boot, pidNamespace: namespace, pid, startedAt } = (value ?? {}) as Record<string, unknown>;
  if (!Number.isSafeInteger(pid) || Number(pid) <= 0) return undefined;
  if (typeof host !== 'string' || typeof boot !== 'string') return undefined;
  if (typeof namespace !== 'string' || typeof startedAt !== 'string') return undefined;
  return { host, boot, pidNamespace: namespace, pid: Number(pid), startedAt };
}

/** Returns the boot id of the kernel; undefined where the system has none. */
export function bootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
}

/**
 * Whether a process with this pid runs in this pid namespace. A number that is not a pid is not alive: kill(2)
 * interprets 0 and negative numbers as process groups.
 */
export function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Returns the start time of a process in this pid namespace, in clock ticks since the boot; empty where unknown. */
export function processStart(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

/** Whether this process sees all processes of the kernel, not only those of a container. */
export function seesAllProcesses(): boolean {
  return pidNamespace() === initialPidNamespace;
}

/** The number is fixed (PROC_PID_INIT_INO in the kernel's include/linux/proc_ns.h). */
const initialPidNamespace = 'pid:[4026531836]';

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}
