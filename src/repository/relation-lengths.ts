/**
 * lengths.jsonl: how long each file was of which an incremental copy has only a part. The next incremental copy needs
 * it: blocks behind that length are in none of the copies before. One JSON object per line, in the order of the copy.
 */

/** One line of the list. */
export interface RelationLength {
  /** The path of the whole file in the manifest of a full copy, such as base/5/16384.1. */
  path: string;
  /** Blocks of the whole file. */
  blocks: number;
}

/** Formats the line of one file. */
export function writeRelationLength(length: RelationLength): string {
  return `${JSON.stringify(length)}\n`;
}

/** Parses the list. @throws RangeError with the number of a malformed line */
export function readRelationLengths(text: string): Map<string, number> {
  const lengths = new Map<string, number>();
  const lines = text.split('\n').filter((line) => line !== '');
  for (const [index, line] of lines.entries()) {
    const { path, blocks } = parsed(line);
    if (typeof path !== 'string' || !Number.isSafeInteger(blocks) || Number(blocks) < 0)
      throw new RangeError(`line ${index + 1} of the list of lengths is malformed`);
    lengths.set(path, Number(blocks));
  }
  return lengths;
}

function parsed(line: string): Partial<RelationLength> {
  try {
    return Object(JSON.parse(line)) as Partial<RelationLength>;
  } catch {
    return {};
  }
}
