/**
 * Directories whose file system may not answer: a share whose server is gone returns no error, and each access to it
 * waits until the server is back. Such an access keeps one of libuv's few threads, and cannot be given up; so one at
 * most is begun for each question, and whoever asks the same meanwhile waits for that one, for a limited time.
 */
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { endsWithin } from './ends-within.ts';

/** Milliseconds for which an answer is waited for. */
export const usualPatience = 10_000;

/** What has been asked and not been answered yet. */
const questions = new Map<string, Promise<void>>();

/**
 * Resolves when the file system of `directory` answers, whether the directory exists or not.
 * @throws Error with code `ETIMEDOUT` where it does not
 */
export function requireAnswer(directory: string, patience?: number): Promise<void> {
  const look = () =>
    stat(directory).then(
      () => undefined,
      () => undefined,
    );
  return answerOf(`look at ${directory}`, directory, look, patience);
}

/**
 * Runs `ask`, which accesses `directory`, or shares the run that is under way for the same `question`.
 * @throws Error with code `ETIMEDOUT` where that takes longer than `patience` (milliseconds); the error of `ask`
 */
export async function answerOf(
  question: string,
  directory: string,
  ask: () => Promise<void>,
  patience = usualPatience,
): Promise<void> {
  let answer = questions.get(question);
  if (answer === undefined) {
    answer = ask().finally(() => questions.delete(question));
    questions.set(question, answer);
  }
  if (await endsWithin(patience, answer)) return;
  throw noAnswer(directory, patience);
}

/**
 * Runs `work`, which accesses `directory` again and again. `work` cannot be given up: where its file system stops
 * answering meanwhile, it goes on whenever that answers.
 * @throws Error with code `ETIMEDOUT` where the file system stops answering; the error of `work`
 */
export async function whileAnswering<T>(
  directory: string,
  work: () => Promise<T>,
  patience = usualPatience,
): Promise<T> {
  await requireAnswer(directory, patience);
  const over = new AbortController();
  const watched = async (): Promise<never> => {
    for (;;) {
      await sleep(patience, undefined, { signal: over.signal });
      await requireAnswer(directory, patience);
    }
  };
  try {
    return await Promise.race([work(), watched()]);
  } finally {
    over.abort();
  }
}

/** The error for a file system that does not answer. */
export function noAnswer(path: string, patience: number): NodeJS.ErrnoException {
  const error = new Error(`its file system has not answered for ${patience / 1000} seconds`);
  return Object.assign(error, { code: 'ETIMEDOUT', syscall: 'stat', path });
}

/** Whether something has been asked and not been answered: then process.exit() would wait for the answer. */
export function isWaitingForAnswer(): boolean {
  return questions.size > 0;
}
