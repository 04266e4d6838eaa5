// A thread that answers each task with the task.
import { parentPort } from 'node:worker_threads';
import { onTask } from '../../src/system/threads.ts';

onTask((task: number) => parentPort?.postMessage(task));
