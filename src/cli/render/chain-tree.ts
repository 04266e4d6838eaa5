/**
 * Shows chains of incremental copies as a tree. The links of a chain stand below their full copy, one below the other.
 * Of several copies with one parent, the newest goes on with the chain, and the others stand further in.
 */

/** A row of the tree. */
export interface TreeRow<T> {
  item: T;
  /** What goes in front of the name: empty for a full copy, and for a copy whose parent is not in the list. */
  indent: string;
}

/** How an item is named, and how its parent; undefined: a full copy. */
export interface TreeKeys<T> {
  nameOf: (item: T) => string;
  parentOf: (item: T) => string | undefined;
}

const step = '  ';
const branch = '└ ';

/** The items in the order of the tree. Chains, and the children of one parent, are in the order of `items`. */
export function chainTree<T>(items: readonly T[], { nameOf, parentOf }: TreeKeys<T>): TreeRow<T>[] {
  const names = new Set(items.map(nameOf));
  const children = Map.groupBy(items, (item) => parentOf(item) ?? '');
  const rows: TreeRow<T>[] = [];
  const shown = new Set<T>();
  const add = (item: T, depth: number) => {
    if (shown.has(item)) return;
    shown.add(item);
    rows.push({ item, indent: depth === 0 ? '' : step.repeat(depth - 1) + branch });
    const behind = children.get(nameOf(item)) ?? [];
    const line = Math.max(depth, 1);
    for (const child of behind.slice(0, -1)) add(child, line + 1);
    for (const child of behind.slice(-1)) add(child, line);
  };
  for (const item of items) {
    const parent = parentOf(item);
    if (parent === undefined || !names.has(parent)) add(item, 0);
  }
  // Copies that claim to be the parents of each other.
  for (const item of items) add(item, 0);
  return rows;
}
