import test from 'ava';
import { chainTree } from '../../../src/cli/render/chain-tree.ts';

/** `3<1`: copy 3, made from copy 1. */
function treeOf(...copies: string[]): string[] {
  const keys = {
    nameOf: (copy: string) => copy.replace(/<.*/, ''),
    parentOf: (copy: string) => copy.split('<')[1],
  };
  return chainTree(copies, keys).map(({ item, indent }) => indent + item);
}

test('full copies stand by themselves, and the links of each chain behind its full copy', (t) => {
  t.deepEqual(treeOf('1', '2<1', '4', '3<2', '5<4'), ['1', '└ 2<1', '└ 3<2', '4', '└ 5<4']);
});

test('of two copies with one parent the newer goes on with the chain, and the other stands further in', (t) => {
  t.deepEqual(treeOf('1', '2<1', '3<2', '4<2', '5<4'), ['1', '└ 2<1', '  └ 3<2', '└ 4<2', '└ 5<4']);
  t.deepEqual(treeOf('1', '2<1', '3<2', '4<1'), ['1', '  └ 2<1', '  └ 3<2', '└ 4<1']);
});

test('a copy whose parent is not in the list begins a tree, and none is lost', (t) => {
  t.deepEqual(treeOf('3<2', '4<3'), ['3<2', '└ 4<3']);
  t.deepEqual(treeOf('1<2', '2<1'), ['1<2', '└ 2<1']);
  t.deepEqual(treeOf(), []);
});
