/** The events that a running drill reports. */
import type { RemovedDrill } from './abandoned-drills.ts';

/** The phases of a drill. */
export type DrillPhase = 'reading' | 'restoring' | 'recovering' | 'checking' | 'removing';

/** Receives the events of a drill. */
export interface DrillReport {
  phase: (phase: DrillPhase, detail: string) => void;
  /** Bytes that have been restored, and bytes expected. */
  progress: (done: number, expected: number) => void;
  /** The last WAL segment that has been read or restored. */
  segment: (name: string) => void;
  /** The scratch directory of a killed drill has been removed. */
  removed: (leftover: RemovedDrill) => void;
}
