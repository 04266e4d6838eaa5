import { onStopSignal } from '../system/stop-signals.ts';

/** Ctrl-C and SIGTERM while the server is waited for: the first is passed on, a second one ends the program. */
export async function untilInterrupted<T>(
  work: (signal: AbortSignal) => Promise<T>,
  reason = 'interrupted',
): Promise<T> {
  const abort = new AbortController();
  const ignoreSignals = onStopSignal(() => {
    if (abort.signal.aborted) endAtOnce();
    abort.abort(new Error(reason));
  });
  try {
    return await work(abort.signal);
  } finally {
    ignoreSignals();
  }

  /** As if nobody had listened: process.exit() would terminate threads in the middle of their work (system/threads.ts). */
  function endAtOnce(): void {
    ignoreSignals();
    process.kill(process.pid, 'SIGTERM');
    process.exit(1); // the first process of a container is not ended by a signal
  }
}
