/** Adds to candidates what only the repository says: hold files that the control database does not know, and leases. */
import type { HeldRequest } from '../control/legal-holds.ts';
import type { HoldableBackup } from './decide-holds.ts';
import type { ListedCandidate } from './expiry-candidates.ts';
import { unknownHolds } from './hold-files.ts';
import type { LeasedWal } from './leases.ts';
import { isLink } from './needed-links.ts';

/** What holds the backups of a cluster. */
export interface HoldingFacts {
  clusterDirectory: string;
  /** The requests with holds in the control database. */
  held: readonly HeldRequest[];
  leases: LeasedWal;
}

/** The candidates, with the reasons of hold files and leases. */
export function heldCandidates(
  candidates: readonly ListedCandidate[],
  { clusterDirectory, held, leases }: HoldingFacts,
): Promise<ListedCandidate[]> {
  return Promise.all(
    candidates.map(async (candidate) => {
      const children = candidates.filter((other) => isLink(candidate, other)).map(holdable);
      const place = { backup: holdable(candidate), children };
      const unknown = await unknownHolds(clusterDirectory, place, held);
      return withLeases({ ...candidate, held: [...candidate.held, ...unknown] }, leases);
    }),
  );
}

function holdable({ id, name, method, systemIdentifier, startText }: ListedCandidate): HoldableBackup {
  return { id, name, method, systemIdentifier, startLsn: startText };
}

/**
 * Holds every backup that a lease names. A server that recovers from such a backup reads the WAL after the
 * backup.
 */
function withLeases(candidate: ListedCandidate, { valid }: LeasedWal): ListedCandidate {
  const reasons = valid
    .filter(({ lease }) => candidate.method === 'copy' && lease.backup === candidate.name)
    .map(({ reason }) => reason);
  if (reasons.length === 0) return candidate;
  return { ...candidate, held: [...candidate.held, ...reasons], isRead: true };
}
