/** One way to back up, to be measured beside others. */
export interface Peer {
  name: string;
  prepare?(): Promise<void>;
  /** After the first backup. */
  warmedUp?(): Promise<void>;
  /** Removes the backup before. */
  clear(): Promise<void>;
  backUp(): Promise<void>;
  /** What the backup takes. */
  storedBytes(): Promise<number>;
  /** Whose memory it is; without it, all processes that were started. */
  pid?: () => number;
  end?(): Promise<void>;
}
