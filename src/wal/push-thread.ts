/** A thread that prepares WAL files, one after the other. Compression blocks this thread only. */
import { workerData } from 'node:worker_threads';
import { keepFreedMemory } from '../system/keep-freed-memory.ts';
import { doTasks } from '../system/thread-tasks.ts';
import { prepareWal, type PushOptions } from './push-segment.ts';

keepFreedMemory();
const options = workerData as Omit<PushOptions, 'path'>;

doTasks((path: string) => prepareWal({ ...options, path, hasThread: true }));
