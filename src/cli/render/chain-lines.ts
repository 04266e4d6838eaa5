/** The chains of incremental copies, as `holdfast status` shows them. */
import type { ChainStatus } from '../../control/backup-chains.ts';
import { plain } from '../../plain.ts';
import { chainTree, type TreeRow } from './chain-tree.ts';
import { time } from './format.ts';
import { table, type TableColumn } from './table.ts';

const columns: TableColumn<TreeRow<ChainStatus>>[] = [
  { title: 'COPY', value: ({ item, indent }) => `${indent}${item.id}` },
  { title: 'CLUSTER', value: ({ item }) => item.cluster },
  { title: 'LABEL', value: ({ item }) => plain(item.label), flexible: true },
  {
    title: 'HAS',
    value: ({ item }) => (item.parent === null ? 'everything' : `changes since ${item.parent}`),
  },
  { title: 'ENDED', value: ({ item }) => time(item.stoppedAt) },
  {
    title: 'REMARKS',
    value: ({ item }) => remarkOf(item),
    style: ({ item }) => (item.problem === null ? undefined : 'red'),
    flexible: true,
  },
];

/**
 * The newest chain of each cluster, and those that are broken, as a tree; none if there is no incremental copy.
 * `width`: that of the terminal, in columns.
 */
export function chainLines(copies: readonly ChainStatus[], width: number): string[] {
  const incremental = copies.filter(({ parent }) => parent !== null);
  const newest = new Map(incremental.map((copy) => [copy.cluster, rootOf(copy)]));
  const roots = new Set([...newest.values(), ...incremental.filter(isBroken).map(rootOf)]);
  const shown = copies.filter((copy) => roots.has(rootOf(copy)));
  if (shown.length === 0) return [];
  const tree = chainTree(shown, {
    nameOf: ({ id }) => String(id),
    parentOf: ({ parent }) => (parent === null ? undefined : String(parent)),
  });
  return table(columns, tree, width);
}

/** The first copy of the chain that is known. */
function rootOf({ id, chain }: ChainStatus): number {
  return chain[0] ?? id;
}

function isBroken({ brokenLink }: ChainStatus): boolean {
  return brokenLink !== null;
}

function remarkOf({ brokenLink, problem }: ChainStatus): string {
  return problem === null ? '' : `broken at ${brokenLink}, which ${plain(problem)}`;
}
