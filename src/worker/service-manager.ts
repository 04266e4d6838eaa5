/**
 * systemd's Type=notify. Node has no Unix datagram sockets, so systemd-notify speaks for us (the unit needs
 * NotifyAccess=all). Without systemd nothing happens.
 */
import { execFile } from 'node:child_process';

export type ServiceState = 'READY=1' | 'STOPPING=1' | `EXTEND_TIMEOUT_USEC=${number}` | `STATUS=${string}`;

export function notifyServiceManager(...states: ServiceState[]): void {
  if (process.env.NOTIFY_SOCKET === undefined) return;
  execFile('systemd-notify', states, () => undefined);
}
