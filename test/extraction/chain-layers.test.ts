// Of each link of a chain, what is not written, since a later link has it or the last one has it no more.
import test from 'ava';
import { supersededFiles } from '../../src/extraction/chain-layers.ts';
import { ManifestFiles } from '../../src/postgres/manifest-files.ts';

function link(...paths: string[]): { files: ManifestFiles } {
  const files = new ManifestFiles();
  for (const path of paths) files.add(path, { size: 0, crc32c: 0 });
  return { files };
}

const [grown, partOfIt, dropped, made] = [
  'base/5/1',
  'base/5/INCREMENTAL.1',
  'base/5/2',
  'base/5/3',
] as const;

test('a file is taken whole from the newest link that has it, and with its blocks from all links since', (t) => {
  const links = [
    link(grown, dropped, 'PG_VERSION'),
    link(partOfIt, dropped, made, 'PG_VERSION'),
    link(partOfIt, made, 'PG_VERSION'),
  ];
  t.deepEqual(
    supersededFiles(links).map((paths) => [...paths].sort()),
    [['PG_VERSION', dropped], ['PG_VERSION', dropped, made], []],
  );
});

test('a chain in which no link has a file whole is refused', (t) => {
  const error = { instanceOf: RangeError, message: `no link of the chain has "${grown}" whole` };
  t.throws(() => supersededFiles([link(), link(partOfIt)]), error);
  t.throws(() => supersededFiles([link(partOfIt)]), error);
});

test('a link that has a file both whole and in part is refused', (t) => {
  t.throws(() => supersededFiles([link(grown), link(grown, partOfIt)]), {
    instanceOf: RangeError,
    message: `a link of the chain has "${grown}" both whole and in part`,
  });
});
