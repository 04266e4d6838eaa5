// A thread that waits for the turn of the second frame.
import { parentPort, workerData } from 'node:worker_threads';
import { FrameOrder } from '../../src/backup/copy/frame-order.ts';

const turns = new FrameOrder(workerData as SharedArrayBuffer);

parentPort?.postMessage('waiting');
parentPort?.postMessage(turns.place({ number: 1, startsTar: false, length: 1 }));
