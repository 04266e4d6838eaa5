/** SIGTERM and SIGINT: being told to stop. */

/**
 * Milliseconds in which a signal is the same one again: what is sent to a whole process group comes from the launcher,
 * too, where there is one (bin/launch.js).
 */
const echo = 100;

/** Calls `listener` for each; returns what ends that. */
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
