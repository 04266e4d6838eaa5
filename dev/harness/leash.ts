// Kills a child when this process ends without having been able to: killed itself, or out of memory.
import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/** Until what it returns is called, `pid` ends with this process. */
export function leash(pid: number): () => void {
  // The pipe's other end is held by this process alone, so that "end of file" says it is gone.
  const watcher = spawn('/bin/sh', ['-c', `cat >/dev/null; kill -KILL ${pid}`], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watcher.unref();
  (watcher.stdin as Socket).unref();
  return () => {
    watcher.kill('SIGKILL');
    try {
      // Its cat, too, which has no other reason to end.
      process.kill(-Number(watcher.pid), 'SIGKILL');
    } catch {
      // It had not started that yet.
    }
  };
}
