/**
 * The part of V8's heap for new objects. bin/launch.js keeps that part of a worker small, since V8 would enlarge it by
 * several megabytes during the start, and an idle worker would keep them.
 */
import v8 from 'node:v8';

/** Lets V8 enlarge the part for new objects, in this thread and in the threads that start later: its default. */
export function letYoungGenerationGrow(): void {
  v8.setFlagsFromString('--semi-space-growth-factor=2');
}
