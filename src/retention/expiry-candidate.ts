/** A backup as the decision about its expiry sees it. */

export interface ExpiryCandidate {
  /** <UTC start>-<id>, which is its name in the repository. */
  name: string;
  id: number;
  method: string;
  systemIdentifier: string;
  timeline: number;
  startLsn: bigint;
  stopLsn: bigint;
  /** The first and the last segment. */
  startWal: string;
  stopWal: string;
  stoppedAt: Date;
  /** That time has not come yet, so it says nothing of any other one. */
  isAhead?: boolean;
  /** Complete, and not found damaged; of one that brings no WAL, not found without WAL in the archive, either. */
  isSound: boolean;
  /** The schedule or the role that requested it: what is not in the repository is counted by that. */
  requester: string;
  /** Why it stays whatever the rules say. */
  held: string[];
  /** Recovery from it may follow. */
  isRead: boolean;
  /** It has been taken off the lists by an expiry that did not get to its end. */
  isBegun: boolean;
}
