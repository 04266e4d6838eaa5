/** A thread that archives one file of WAL after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import { pushWal, type PushOptions } from './push.ts';
import type { Pushed } from './push-in-thread.ts';

const options = workerData as Omit<PushOptions, 'path'>;

parentPort?.on('message', (path: string) => {
  const answer = (pushed: Pushed) => parentPort?.postMessage(pushed);
  pushWal({ ...options, path, hasThread: true }).then(
    () => answer({}),
    (error: unknown) => answer({ problem: messageOf(error) }),
  );
});
