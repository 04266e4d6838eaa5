/** The warning of a request for an incremental copy that has become a full copy. */
import type { RequestRun } from '../request-run.ts';

/** Adds the warning to the request. */
export function warnOfFullCopy(run: RequestRun, reason: string): void {
  run.warn(`this is a full copy, although an incremental one was requested: ${reason}`);
}
