// Starts watchdog.sh, beside which it is explained, and talks to it.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('watchdog.sh', import.meta.url));

export class Watchdog {
  #process: ChildProcessByStdio<Writable, null, null>;
  #exited: Promise<unknown>;

  /** `remove`: a directory to remove at the end. */
  constructor(dataDirectory: string, signal: 'INT' | 'QUIT', remove: string | undefined) {
    this.#process = spawn('/bin/sh', [script, dataDirectory, signal, remove ?? ''], {
      cwd: '/',
      // Not in the terminal's process group: Ctrl-C must not reach it.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#exited = once(this.#process, 'exit');
    // It waits for us, not we for it.
    this.#process.unref();
    (this.#process.stdin as Socket).unref();
  }

  watch(pid: number): void {
    this.#process.stdin.write(`${pid}\n`);
  }

  /** What it would do at our end, now. */
  async finish(): Promise<void> {
    this.#process.ref();
    this.#process.stdin.end();
    await this.#exited;
  }
}
