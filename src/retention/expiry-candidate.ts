/** A backup with the facts that decide about its expiry. */

/** A backup that may expire. */
export interface ExpiryCandidate {
  /** The name of the backup in the repository: <UTC start>-<id>. */
  name: string;
  id: number;
  method: string;
  systemIdentifier: string;
  timeline: number;
  startLsn: bigint;
  stopLsn: bigint;
  /** Names of the first and the last segment. */
  startWal: string;
  stopWal: string;
  stoppedAt: Date;
  /** Whether stoppedAt is in the future. Such a backup says nothing about the age of other backups. */
  isAhead?: boolean;
  /**
   * Whether the backup is complete and not known to be damaged. A backup without WAL of its own is also not
   * sound if its WAL was not found in the archive.
   */
  isSound: boolean;
  /**
   * The schedule or role that requested the backup. Backups outside of the repository are counted by
   * requester.
   */
  requester: string;
  /** Why the backup stays under all rules; empty if nothing holds the backup. */
  held: string[];
  /** Whether the backup is being read, so that recovery from the backup may follow. */
  isRead: boolean;
  /** Whether an earlier expiry has unlisted the backup without completing the removal. */
  isBegun: boolean;
}
