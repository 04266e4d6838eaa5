/** Interruption of a command by a signal. */
import { onStopSignal } from '../system/stop-signals.ts';

/**
 * Runs `work`. The first SIGINT or SIGTERM aborts the signal that `work` gets, with an Error of message
 * `reason`. A second SIGINT or SIGTERM ends the program.
 */
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

  /**
   * Ends the program as if no handler were installed. `process.exit()` would terminate threads in the middle
   * of their work (system/threads.ts).
   */
  function endAtOnce(): void {
    ignoreSignals();
    process.kill(process.pid, 'SIGTERM');
    process.exit(1); // a signal does not end the first process of a container
  }
}
