/**
 * What there is to copy: the data directory, and each tablespace that lies elsewhere. Directories come before their
 * contents, in whatever order the file system gives; nothing is kept of what has been passed, so that the number of
 * files does not matter.
 */
import { lstatSync, opendirSync, readlinkSync, realpathSync, type Dir, type Stats } from 'node:fs';
import {
  holdsRelations,
  isEmptied,
  isLeftOut,
  isUnloggedContent,
  unloggedRelation,
} from '../../postgres/left-out.ts';
import { toSystem } from './byte-path.ts';

/** One tar's worth of files. Paths are one character a byte. */
export interface Tree {
  /** Where it is. */
  directory: string;
  /** What it is called in the manifest: '' is the data directory. */
  path: string;
  /** What is in front of the names in its tar: as `path`, but without pg_tblspc/<oid>/. */
  prefix: string;
  /** The tablespace; undefined: the data directory. */
  oid?: number;
  /** The tablespace's own directory. */
  location?: string;
}

export interface Found {
  kind: 'directory' | 'file' | 'special';
  /** Where it is. */
  source: string;
  /** In the manifest. */
  path: string;
  /** In the tar. */
  name: string;
  stats: Stats;
}

export interface Layout {
  /** The tablespaces by OID, then the data directory. */
  trees: Tree[];
  /** Directories below the data directory whose contents are in a tar of their own. */
  elsewhere: ReadonlySet<string>;
  /** PG_<major>_<catalog version>. */
  versionDirectory: string;
  /** From 17 on. */
  hasWalSummaries: boolean;
}

/** Follows the links in pg_tblspc as they are now. @throws an error of the file system */
export function findTrees(dataDirectory: string, versionDirectory: string, major: number): Layout {
  const root = realpathSync(toSystem(dataDirectory), 'latin1');
  const trees: Tree[] = [];
  for (const name of namesIn(`${root}/pg_tblspc`)) {
    const link = `${root}/pg_tblspc/${name}`;
    const isLink = lstatSync(toSystem(link), { throwIfNoEntry: false })?.isSymbolicLink();
    if (!/^\d+$/.test(name) || isLink !== true) continue;
    const location = unlessVanished(() => readlinkSync(toSystem(link), 'latin1'));
    if (location === undefined) continue;
    trees.push({
      directory: `${location}/${versionDirectory}`,
      path: `pg_tblspc/${name}/${versionDirectory}`,
      prefix: versionDirectory,
      oid: Number(name),
      location,
    });
  }
  trees.sort((a, b) => Number(a.oid) - Number(b.oid));
  const elsewhere = new Set(
    trees
      .map(({ location = '' }) => unlessVanished(() => realpathSync(toSystem(location), 'latin1')))
      .filter((path) => path !== undefined),
  );
  trees.push({ directory: root, path: '', prefix: '' });
  return { trees, elsewhere, versionDirectory, hasWalSummaries: major >= 17 };
}

/** What of a tree is to be copied, and what is neither file nor directory. What vanishes meanwhile is passed over. */
export function* walk(tree: Tree, layout: Layout): Generator<Found> {
  if (tree.path === '') {
    yield* walkDirectory(tree.directory, '', '', layout);
    return;
  }
  const stats = lstatSync(toSystem(tree.directory), { throwIfNoEntry: false });
  if (stats === undefined) return;
  yield { kind: 'directory', source: tree.directory, path: tree.path, name: tree.prefix, stats };
  yield* walkDirectory(tree.directory, tree.path, tree.prefix, layout);
}

function* walkDirectory(directory: string, path: string, prefix: string, layout: Layout): Generator<Found> {
  const unlogged = holdsRelations(path) ? unloggedRelations(directory) : new Set<string>();
  for (const name of namesIn(directory)) {
    const found = look(directory, path, prefix, name);
    if (found === undefined || isLeftOut(found.path) || isUnloggedContent(name, unlogged)) continue;
    if (isEmptied(found.path)) yield* emptyDirectory(found, layout);
    else if (found.kind !== 'directory') yield* isTablespaceLink(found) ? [] : [found];
    else if (isOfAnotherVersion(found.path, layout)) continue;
    else {
      yield found;
      if (!layout.elsewhere.has(found.source))
        yield* walkDirectory(found.source, found.path, found.name, layout);
    }
  }
}

function look(directory: string, path: string, prefix: string, name: string): Found | undefined {
  const source = `${directory}/${name}`;
  const stats = lstatSync(toSystem(source), { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const under = (parent: string) => (parent === '' ? name : `${parent}/${name}`);
  return { kind: kindOf(stats), source, path: under(path), name: under(prefix), stats };
}

function kindOf(stats: Stats): Found['kind'] {
  if (stats.isFile()) return 'file';
  return stats.isDirectory() ? 'directory' : 'special';
}

/** Also where it is a link: in the copy it becomes a directory. */
function* emptyDirectory(found: Found, layout: Layout): Generator<Found> {
  const mode = found.stats.isDirectory() ? found.stats.mode : 0o700;
  const stats = Object.assign(Object.create(found.stats) as Stats, { mode });
  const directory: Found = { ...found, kind: 'directory', stats };
  yield directory;
  if (found.path !== 'pg_wal') return;
  for (const name of ['archive_status', ...(layout.hasWalSummaries ? ['summaries'] : [])])
    yield { ...directory, path: `${found.path}/${name}`, name: `${found.name}/${name}` };
}

/** The map says where these tablespaces are; they have tars of their own. */
function isTablespaceLink({ path, stats }: Found): boolean {
  return /^pg_tblspc\/\d+$/.test(path) && stats.isSymbolicLink();
}

/** In a tablespace that is a directory in pg_tblspc itself. */
function isOfAnotherVersion(path: string, layout: Layout): boolean {
  const [, version] = /^pg_tblspc\/\d+\/([^/]+)$/.exec(path) ?? [];
  return version !== undefined && version !== layout.versionDirectory;
}

function unloggedRelations(directory: string): Set<string> {
  const relations = new Set<string>();
  for (const name of namesIn(directory)) {
    const relation = unloggedRelation(name);
    if (relation !== undefined) relations.add(relation);
  }
  return relations;
}

/** A directory that has vanished is empty. */
function* namesIn(directory: string): Generator<string> {
  const opened = openDirectory(directory);
  if (opened === undefined) return;
  try {
    for (let entry = opened.readSync(); entry !== null; entry = opened.readSync()) yield entry.name;
  } finally {
    opened.closeSync();
  }
}

function openDirectory(directory: string): Dir | undefined {
  // The names as bytes: @types/node has only the names of encodings for text.
  return unlessVanished(() => opendirSync(toSystem(directory), { encoding: 'latin1', bufferSize: 256 }));
}

function unlessVanished<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
