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
   * sound if its WAL was not found in the archive, and an incremental copy if its chain is broken or damaged.
   */
  isSound: boolean;
  /** Why a backup is not sound that is itself complete and undamaged: a predicate of "it". */
  unsound?: string;
  /**
   * The names of the links that an incremental copy cannot be restored without, oldest first. Where the chain is
   * broken, those behind the break. Empty or undefined: a full copy, or a backup outside of the repository.
   */
  standsOn?: readonly string[];
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
