// Kills children when this process ends without having been able to: killed itself, or out of memory.
import { spawn, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';

/** Reads "+ PID" and "- PID", and at the end of them kills what is left. */
const script = `
  pids=
  while read -r sign pid; do
    left=
    for one in $pids; do [ "$one" = "$pid" ] || left="$left $one"; done
    pids=$left
    [ "$sign" = - ] || pids="$pids $pid"
  done
  [ -z "$pids" ] || kill -KILL $pids`;

let watcher: ChildProcess | undefined;

/** Until what it returns is called, `pid` ends with this process. */
export function leash(pid: number): () => void {
  watcher ??= startWatcher();
  const { stdin } = watcher;
  stdin?.write(`+ ${pid}\n`);
  return () => stdin?.write(`- ${pid}\n`);
}

function startWatcher(): ChildProcess {
  // The pipe's other end is held by this process alone, so that "end of file" says it is gone.
  const started = spawn('/bin/sh', ['-c', script], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  started.stdin?.on('error', () => {}); // it was killed, by whoever kills everything
  started.unref();
  (started.stdin as Socket).unref();
  return started;
}
