// Where time itself is what a test is about. Whatever waits for something to have happened uses `eventually`.
import { setTimeout as sleep } from 'node:timers/promises';

/** A moment, so many milliseconds from now, at which a test begins, stops or kills something: any moment has to do. */
export function moment(milliseconds: number): Promise<void> {
  return sleep(milliseconds);
}

/** Resolves when a second signal no longer counts as an echo of the first (src/system/stop-signals.ts). */
export function echoIsOver(): Promise<void> {
  return sleep(150);
}
