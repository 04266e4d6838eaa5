/** Handles SIGTERM and SIGINT, the signals to stop. */

/**
 * Milliseconds within which a second signal counts as the same one. A signal sent to the process group arrives twice
 * where the launcher (bin/launch.js) forwards the signal as well.
 */
const echo = 100;

/** Calls `listener` for each signal. Returns a function that removes the handlers. */
export function onStopSignal(listener: () => void): () => void {
  let last = Number.NEGATIVE_INFINITY;
  const onSignal = () => {
    const isEcho = performance.now() - last < echo;
    last = performance.now();
    if (!isEcho) listener();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return () => {
    process.off('SIGTERM', onSignal);
    process.off('SIGINT', onSignal);
  };
}

/** Ends this process as SIGTERM does where nobody handles it: at once, whatever its threads wait for. */
export function endBySignal(): void {
  process.removeAllListeners('SIGTERM');
  process.kill(process.pid, 'SIGTERM');
}
