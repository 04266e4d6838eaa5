/** Executes the tasks of a thread one after the other, and prepares the next one meanwhile. */
import { parentPort } from 'node:worker_threads';
import { onTask } from './threads.ts';

/** What a thread does with its tasks. */
export interface TaskSteps<Task, Prepared> {
  /**
   * Prepares a task, in the background. Called in the order of the tasks, when the work on the task before begins. So
   * there is at most one prepared task beside the one in work.
   */
  prepare: (task: Task) => Promise<Prepared>;
  /** Executes a task; blocks the thread. `prepared` returns what was prepared, or throws the error of `prepare`. */
  work: (task: Task, prepared: () => Prepared) => void;
  /** Called when there is no further task for now. */
  onIdle?: () => void;
}

interface WaitingTask<Task, Prepared> {
  task: Task;
  prepared: Promise<() => Prepared> | undefined;
}

/** Called in the thread. The thread ends after the tasks sent before endThread(). */
export function onPreparedTask<Task, Prepared>(steps: TaskSteps<Task, Prepared>): void {
  const waiting: WaitingTask<Task, Prepared>[] = [];
  let running: Promise<void> | undefined;

  const prepareNext = (): Promise<() => Prepared> | undefined => {
    const [next] = waiting;
    if (next === undefined) return undefined;
    next.prepared ??= steps.prepare(next.task).then(
      (value) => () => value,
      (error: unknown) => () => {
        throw error;
      },
    );
    return next.prepared;
  };
  const run = async (): Promise<void> => {
    for (let next = prepareNext(); next !== undefined; next = prepareNext()) {
      const prepared = await next;
      const task = waiting.shift()?.task;
      void prepareNext();
      if (task !== undefined) steps.work(task, prepared);
    }
    running = undefined;
    steps.onIdle?.();
  };
  onTask(
    (task: Task) => {
      waiting.push({ task, prepared: undefined });
      running ??= run();
    },
    () => void Promise.resolve(running).then(() => parentPort?.close()),
  );
}
