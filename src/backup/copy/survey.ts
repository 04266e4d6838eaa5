/** Runs the survey of the data directory before the checkpoint of the backup. */
import { endThread, smallHeap, startThread } from '../../system/threads.ts';
import { copyFailed } from './copy-engine.ts';
import type { FromSurvey, SurveyOptions, SurveyResult } from './copy-messages.ts';

/**
 * Looks at all files to copy, and reads what the parent of an incremental copy has.
 * @throws HoldfastError where a file cannot be read; the message has the path
 */
export async function survey(options: SurveyOptions, signal: AbortSignal): Promise<SurveyResult> {
  const thread = startThread(import.meta.url, 'survey-thread', {
    workerData: options,
    resourceLimits: smallHeap,
  });
  const answer = Promise.withResolvers<FromSurvey>();
  const give = () => answer.reject(signal.reason as Error);
  signal.addEventListener('abort', give, { once: true });
  thread.once('message', answer.resolve);
  thread.once('error', answer.reject);
  thread.once('exit', () => answer.reject(new Error('the look at the data directory was stopped')));
  try {
    signal.throwIfAborted();
    const found = await answer.promise;
    if ('failure' in found) throw copyFailed(found.failure);
    return found;
  } finally {
    answer.promise.catch(() => undefined);
    signal.removeEventListener('abort', give);
    await endThread(thread);
  }
}
