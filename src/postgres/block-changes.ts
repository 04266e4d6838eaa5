/**
 * Which blocks have changed, by relation, as WAL summaries say (the manual, "WAL Summarization Information Functions";
 * src/common/blkreftable.c). Plain data, so that threads can send it to each other. A changed block takes two bytes, or
 * one bit where many blocks near to it have changed.
 */
import { relationFile } from './excluded-files.ts';

/** A relation, by the numbers in its path. */
export interface RelationPlace {
  /** OID of the tablespace. */
  tablespace: number;
  /** OID of the database; 0: a relation that all databases share. */
  database: number;
  /** The number in the file's name (relfilenode); 0: the database as a whole. */
  relation: number;
}

/** What is known of the main fork of one relation. */
export interface RelationChanges {
  /**
   * The smallest length that the relation has had, in blocks, because it was truncated or made anew; undefined: it was
   * neither. What was behind that length before is gone.
   */
  limit: number | undefined;
  /** The changed blocks by part of the relation: offsets in ascending order, or a bit for each block of the part. */
  parts: Map<number, Uint16Array | Uint8Array>;
}

/** The changes of all relations, by `changesKey`. A relation that has not changed is missing. */
export type BlockChanges = Map<string, RelationChanges>;

/** Blocks in a part. A part with more changed blocks than `mostOffsets` has a bit for each block. */
export const partBlocks = 8192;
const mostOffsets = partBlocks / 16;

/** The OIDs of pg_default and pg_global (src/include/catalog/pg_tablespace.dat). */
const defaultTablespace = 1663;
const globalTablespace = 1664;

/** The relation and the number of the file to which a path belongs. */
export interface RelationSegment extends RelationPlace {
  /** The number of the file among the files into which the relation's main fork is split. */
  segment: number;
}

/**
 * Returns the relation of which the file is the main fork, or a part of it; undefined for every other file. `path`: as
 * in a manifest.
 */
export function mainForkOf(path: string): RelationSegment | undefined {
  const [, directory = '', name = ''] = /^(.*)\/([^/]+)$/.exec(path) ?? [];
  const file = relationFile(name);
  const home = homeOf(directory);
  if (file?.fork !== 'main' || home === undefined) return undefined;
  return { ...home, relation: Number(file.relation), segment: file.segment };
}

function homeOf(directory: string): Omit<RelationPlace, 'relation'> | undefined {
  if (directory === 'global') return { tablespace: globalTablespace, database: 0 };
  const [, tablespace, own, shared] =
    /^(?:pg_tblspc\/(\d+)\/PG_\d+_\d+\/(\d+)|base\/(\d+))$/.exec(directory) ?? [];
  if (shared !== undefined) return { tablespace: defaultTablespace, database: Number(shared) };
  return own === undefined ? undefined : { tablespace: Number(tablespace), database: Number(own) };
}

/** The key of a relation in BlockChanges. */
export function changesKey({ tablespace, database, relation }: RelationPlace): string {
  return `${tablespace}/${database}/${relation}`;
}

/** Whether the database was created or dropped in that tablespace. All its files are to be taken for new ones. */
export function isNewDatabase(changes: BlockChanges, { tablespace, database }: RelationPlace): boolean {
  return changes.has(changesKey({ tablespace, database, relation: 0 }));
}

/** Records a limit. The smallest counts. */
export function addLimit(changes: BlockChanges, place: RelationPlace, limit: number): void {
  const relation = changesOf(changes, place);
  relation.limit = Math.min(limit, relation.limit ?? limit);
}

/** Records the changed blocks of a part. `offsets`: ascending; a part is recorded once. */
export function addPart(
  changes: BlockChanges,
  place: RelationPlace,
  part: number,
  offsets: Uint16Array,
): void {
  changesOf(changes, place).parts.set(part, offsets.length > mostOffsets ? bitsOf(offsets) : offsets);
}

function changesOf(changes: BlockChanges, place: RelationPlace): RelationChanges {
  const key = changesKey(place);
  const known = changes.get(key) ?? { limit: undefined, parts: new Map() };
  changes.set(key, known);
  return known;
}

function bitsOf(offsets: Uint16Array): Uint8Array {
  const bits = new Uint8Array(partBlocks / 8);
  for (const offset of offsets) bits[offset >> 3] = (bits[offset >> 3] as number) | (1 << (offset & 7));
  return bits;
}

/** Yields the changed blocks from `from` up to and without `end`, ascending, as numbers in the relation. */
export function* changedBlocks(
  { parts }: RelationChanges,
  from: number,
  end: number,
): Generator<number, undefined> {
  for (let part = Math.floor(from / partBlocks); part * partBlocks < end; part += 1) {
    const blocks = parts.get(part);
    if (blocks === undefined) continue;
    for (const offset of blocks instanceof Uint16Array ? blocks : offsetsOf(blocks)) {
      const block = part * partBlocks + offset;
      if (block >= from && block < end) yield block;
    }
  }
}

function* offsetsOf(bits: Uint8Array): Generator<number> {
  for (let offset = 0; offset < partBlocks; offset += 1)
    if (((bits[offset >> 3] as number) >> (offset & 7)) & 1) yield offset;
}

/** The number of changed blocks of all relations. */
export function countChanges(changes: BlockChanges): number {
  let count = 0;
  for (const { parts } of changes.values())
    for (const blocks of parts.values())
      count += blocks instanceof Uint16Array ? blocks.length : [...offsetsOf(blocks)].length;
  return count;
}
