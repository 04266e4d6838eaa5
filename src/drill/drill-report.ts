/** What a drill says while it runs. */
import type { RemovedDrill } from './abandoned-drills.ts';

export type DrillPhase = 'reading' | 'restoring' | 'recovering' | 'checking' | 'removing';

/** What there is to say on the way. */
export interface DrillReport {
  phase: (phase: DrillPhase, detail: string) => void;
  /** Of the restore, in bytes. */
  progress: (done: number, expected: number) => void;
  /** The last segment of WAL that recovery has got. */
  segment: (name: string) => void;
  /** A drill that was killed had left this. */
  removed: (leftover: RemovedDrill) => void;
}
