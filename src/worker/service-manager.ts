/**
 * systemd's `Type=notify`. Node has no Unix datagram sockets, so `systemd-notify` sends the state for the
 * worker (the unit needs `NotifyAccess=all`). Without systemd nothing happens.
 */
import { execFile } from 'node:child_process';

/** The assignments of sd_notify that the worker sends. */
export type ServiceState = 'READY=1' | 'STOPPING=1' | `EXTEND_TIMEOUT_USEC=${number}` | `STATUS=${string}`;

/** Sends the states in the background. Errors are ignored. */
export function notifyServiceManager(...states: ServiceState[]): void {
  if (process.env.NOTIFY_SOCKET === undefined) return;
  execFile('systemd-notify', states, () => undefined);
}
