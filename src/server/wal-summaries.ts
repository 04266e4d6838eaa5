/** The WAL summaries of a server, from PostgreSQL 17 on: which blocks have changed between two LSNs. */
import type { Connection } from '../database/connection.ts';
import { addLimit, addPart, partBlocks, type BlockChanges } from '../postgres/block-changes.ts';

/** As in server_version_num. */
export const firstWithSummaries = 170000;

/** Whether a role can read the summaries of a server. */
export interface SummaryFacts {
  /** The setting summarize_wal. */
  summarizes: boolean;
  /** As in server_version. */
  serverVersion: string;
  user: string;
  database: string;
  /** The functions that the role may not execute. */
  notAllowed: string[];
}

/** How far the summarizer of a server has come. */
export interface SummarizerState {
  /** The setting summarize_wal. */
  summarizes: boolean;
  /** The end of the last summary on disk. */
  summarizedLsn: string;
  /** How far the next summary has come in memory. */
  pendingLsn: string;
}

/** The part of the WAL that one summary covers. */
export interface SummaryRange {
  startLsn: string;
  endLsn: string;
}

/** A range of the WAL on one timeline. */
export interface SummarizedWal {
  timeline: number;
  from: string;
  to: string;
}

/** Milliseconds for queries that a healthy server answers at once. */
const soon = { timeout: 5000 };

/** Tells whether this session can read the summaries. */
export async function summaryFacts(db: Connection): Promise<SummaryFacts> {
  const [row] = await db.run<SummaryFacts>('wal_summary', 'summary_facts', {}, soon);
  if (row === undefined) throw new Error('the server answered nothing');
  return row;
}

/** Tells how far the summarizer has come. */
export async function summarizerState(db: Connection): Promise<SummarizerState> {
  const [row] = await db.run<SummarizerState>('wal_summary', 'summarizer', {}, soon);
  if (row === undefined) throw new Error('the server answered nothing');
  return row;
}

/** Lists the summaries that cover a part of the range or end at its beginning, in their order. */
export function summariesOf(db: Connection, { timeline, from, to }: SummarizedWal): Promise<SummaryRange[]> {
  return db.run<SummaryRange>('wal_summary', 'summaries', { timeline, from, to });
}

interface ChangesRow {
  tablespace: number;
  database: number;
  relation: number;
  part: number;
  /** Blocks; null: none. */
  limit: number | null;
  /** Two bytes for each offset, the higher first; null: no blocks. */
  offsets: Buffer | null;
}

/** Reads the changes of all main forks in the range. There may be millions: the server sends them in portions. */
export async function readChanges(
  db: Connection,
  { timeline, from, to }: SummarizedWal,
): Promise<BlockChanges> {
  const changes: BlockChanges = new Map();
  await db.transaction(async () => {
    await db.run('wal_summary', 'declare_changes', { timeline, from, to, part_blocks: partBlocks });
    for (;;) {
      const rows = await db.run<ChangesRow>('wal_summary', 'fetch_changes');
      for (const row of rows) addRow(changes, row);
      if (rows.length === 0) return;
    }
  });
  return changes;
}

function addRow(changes: BlockChanges, { limit, offsets, part, ...place }: ChangesRow): void {
  if (limit !== null) addLimit(changes, place, limit);
  if (offsets !== null) addPart(changes, place, part, offsetsIn(offsets));
}

function offsetsIn(bytes: Buffer): Uint16Array {
  const offsets = new Uint16Array(bytes.length / 2);
  for (let index = 0; index < offsets.length; index += 1) offsets[index] = bytes.readUInt16BE(index * 2);
  return offsets;
}
