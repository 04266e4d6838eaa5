/**
 * Finds all files to copy: the data directory, and each tablespace outside of the data directory. A directory
 * comes before its contents, in the order of the file system. The walk keeps no list of the files, so that memory
 * does not grow with their number.
 */
import {
  closeSync,
  constants,
  existsSync,
  lstatSync,
  opendirSync,
  readlinkSync,
  realpathSync,
  type Dir,
  type Stats,
} from 'node:fs';
import {
  holdsRelations,
  isEmptied,
  isExcluded,
  isUnloggedContent,
  unloggedRelation,
} from '../../postgres/excluded-files.ts';
import { toSystem, toText } from '../../system/byte-path.ts';
import { CopyError } from './copy-error.ts';
import { followLink, type LinkPlace } from './links.ts';
import { openJudged, ownerToJudgeBy } from './open-judged.ts';

/** The files of one tar. Paths have one character per byte. */
export interface TarSource {
  /** Path of the directory. */
  directory: string;
  /** Path in the manifest; '' for the data directory. */
  path: string;
  /** Prefix of the names in the tar: like `path`, but without pg_tblspc/<oid>/. */
  prefix: string;
  /** The OID of the tablespace; undefined: the data directory. */
  oid?: number;
  /** The directory of the tablespace, without the version directory; undefined: the data directory. */
  location?: string;
}

/** A file or directory of the walk. `special`: any other kind of file, or a symbolic link that is not followed. */
export interface WalkEntry {
  kind: 'directory' | 'file' | 'special';
  /** Path for messages. */
  source: string;
  /** Path for reading: `source` without symbolic links. */
  at: string;
  /** Path in the manifest. */
  path: string;
  /** Name in the tar. */
  name: string;
  /** For a symbolic link: the stats of the target. */
  stats: Stats;
  /** Why a special file is not copied; undefined: because of its kind. */
  why?: string;
}

/** The directories of a cluster. */
export interface DataLayout {
  /** The tablespaces in the order of their OIDs, then the data directory. */
  trees: TarSource[];
  /** Directories below the data directory whose contents are in a tar of a tablespace. */
  elsewhere: ReadonlySet<string>;
  /** PG_<major>_<catalog version>, the directory in each tablespace. */
  versionDirectory: string;
  /** The user id whose permissions count when root copies (open-judged.ts); undefined: no check is needed. */
  judgedBy: number | undefined;
  /** True from PostgreSQL 17 on. */
  hasWalSummaries: boolean;
}

/** Data of one walk that all functions use. */
interface Walk {
  layout: DataLayout;
  /** The user id of the data directory's owner. */
  owner: number;
}

/** Finds the tablespaces by the present links in pg_tblspc. @throws CopyError */
export function findTrees(dataDirectory: string, versionDirectory: string, major: number): DataLayout {
  const root = realpathSync.native(toSystem(dataDirectory), 'latin1');
  const trees: TarSource[] = [];
  for (const name of namesIn(`${root}/pg_tblspc`)) {
    const link = `${root}/pg_tblspc/${name}`;
    const isLink = lookAt(link)?.isSymbolicLink();
    if (!/^\d+$/.test(name) || isLink !== true) continue;
    const location = unlessVanished(link, () => readlinkSync(toSystem(link), 'latin1'));
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
      .map(({ location = '' }) =>
        unlessVanished(location, () => realpathSync.native(toSystem(location), 'latin1')),
      )
      .filter((path) => path !== undefined),
  );
  trees.push({ directory: root, path: '', prefix: '' });
  const judgedBy = ownerToJudgeBy(lookAt(root)?.uid ?? 0);
  return { trees, elsewhere, versionDirectory, judgedBy, hasWalSummaries: major >= 17 };
}

/**
 * Yields the files to copy of a tree, and the special files. Files that vanish during the walk are left out.
 * @throws CopyError
 */
export function* walk(tree: TarSource, layout: DataLayout): Generator<WalkEntry> {
  const root = layout.trees.at(-1)?.directory ?? tree.directory;
  const of: Walk = { layout, owner: lookAt(root)?.uid ?? 0 };
  const { directory, path, prefix: name } = tree;
  const stats = lookAt(directory);
  if (path === '') {
    yield* walkDirectory(
      { kind: 'directory', source: directory, at: directory, path, name, stats: stats ?? lstatSync(root) },
      of,
    );
    return;
  }
  if (stats === undefined) return requireDropped(tree, root);
  requireOwners(directory, stats, layout);
  const at = unlessVanished(directory, () => realpathSync.native(toSystem(directory), 'latin1'));
  if (at === undefined) return requireDropped(tree, root);
  const found: WalkEntry = { kind: 'directory', source: directory, at, path, name, stats };
  yield found;
  yield* walkDirectory(found, of);
}

/** Milliseconds. DROP TABLESPACE removes the directory and then the link in much less time. */
const droppingTakes = 500;

/**
 * Refuses a tablespace directory of another user: PostgreSQL creates the directory as its own user, and a link in
 * pg_tblspc could lead to the tablespace of another server.
 */
function requireOwners(directory: string, { uid }: Stats, { judgedBy = uid }: DataLayout): void {
  if (uid === judgedBy) return;
  const reason = new Error(`it belongs to user ${uid}, and the data directory to user ${judgedBy}`);
  throw CopyError.reading(toText(directory), reason);
}

/**
 * A tablespace without directory is being dropped, or its disk is not mounted.
 * @throws CopyError where the tablespace is not being dropped
 */
function requireDropped({ oid, directory }: TarSource, root: string): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, droppingTakes);
  const isLinked = lookAt(`${root}/pg_tblspc/${oid}`) !== undefined;
  if (!isLinked || lookAt(directory) !== undefined) return;
  const reason = new Error(`it is not there, and tablespace ${oid} is: perhaps its disk is not mounted`);
  throw CopyError.reading(toText(directory), reason);
}

/** `above`: the directories that contain this directory. */
function* walkDirectory(at: WalkEntry, of: Walk, above: readonly LinkPlace[] = []): Generator<WalkEntry> {
  const { layout } = of;
  const inHere = [...above, at.stats];
  const unlogged = holdsRelations(at.path) ? unloggedRelations(at.at) : new Set<string>();
  for (const name of namesIn(at.at, layout.judgedBy)) {
    const seen = look(at, name);
    if (seen === undefined || isExcluded(seen.path) || isUnloggedContent(name, unlogged)) continue;
    if (isEmptied(seen.path)) {
      yield* emptyDirectory(seen, layout);
      continue;
    }
    if (isTablespaceLink(seen)) continue;
    const found = seen.stats.isSymbolicLink() ? followed(seen, inHere, of.owner) : seen;
    if (found === undefined || isOfAnotherVersion(found.path, layout)) continue;
    yield found;
    if (found.kind === 'directory' && !layout.elsewhere.has(found.source))
      yield* walkDirectory(found, of, inHere);
  }
}

/**
 * Returns the target of a symbolic link as an entry with the name of the link; undefined: the link has vanished.
 */
function followed(link: WalkEntry, above: readonly LinkPlace[], owner: number): WalkEntry | undefined {
  const target = followLink(link, above, owner);
  if (target === undefined) return lookAt(link.at) && link;
  if (typeof target === 'string') return { ...link, why: target };
  return { ...link, kind: kindOf(target.stats), ...target };
}

function look(at: WalkEntry, name: string): WalkEntry | undefined {
  const below = `${at.at}/${name}`;
  const stats = lookAt(below);
  if (stats === undefined) return undefined;
  const under = (parent: string) => (parent === '' ? name : `${parent}/${name}`);
  const source = `${at.source}/${name}`;
  return { kind: kindOf(stats), source, at: below, path: under(at.path), name: under(at.name), stats };
}

/** undefined: the path does not exist. */
function lookAt(path: string): Stats | undefined {
  return unlessVanished(path, () => lstatSync(toSystem(path)));
}

function kindOf(stats: Stats): WalkEntry['kind'] {
  if (stats.isFile()) return 'file';
  return stats.isDirectory() ? 'directory' : 'special';
}

/**
 * A directory that is copied without its contents. A symbolic link to such a directory becomes a directory in the
 * copy.
 */
function* emptyDirectory(found: WalkEntry, layout: DataLayout): Generator<WalkEntry> {
  const mode = found.stats.isDirectory() ? found.stats.mode : 0o700;
  const stats = Object.assign(Object.create(found.stats) as Stats, { mode });
  const directory: WalkEntry = { ...found, kind: 'directory', stats };
  yield directory;
  if (found.path !== 'pg_wal') return;
  for (const name of ['archive_status', ...(layout.hasWalSummaries ? ['summaries'] : [])])
    yield { ...directory, path: `${found.path}/${name}`, name: `${found.name}/${name}` };
}

/**
 * Whether the entry is a link to a tablespace. tablespace_map has the location of the tablespace, and the
 * tablespace has a tar of its own.
 */
function isTablespaceLink({ path, stats }: WalkEntry): boolean {
  return /^pg_tblspc\/\d+$/.test(path) && stats.isSymbolicLink();
}

/**
 * Whether the entry is the directory of another major version in a tablespace that is a directory in pg_tblspc
 * itself.
 */
function isOfAnotherVersion(path: string, layout: DataLayout): boolean {
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

/**
 * Yields the names in a directory. A directory that has vanished is empty. `owner`: see openJudged.
 * @throws CopyError
 */
function* namesIn(directory: string, owner?: number): Generator<string> {
  const opened = openDirectory(directory, owner);
  if (opened === undefined) return;
  try {
    for (let entry = opened.readSync(); entry !== null; entry = opened.readSync()) yield entry.name;
  } finally {
    opened.closeSync();
  }
}

function openDirectory(directory: string, owner: number | undefined): Dir | undefined {
  if (owner === undefined || !existsSync('/proc/self/fd')) return openNamed(directory, toSystem(directory));
  const fd = openJudged(directory, owner, constants.O_DIRECTORY);
  if (fd === undefined) return undefined;
  try {
    return openNamed(directory, `/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}

function openNamed(directory: string, path: string | Buffer): Dir | undefined {
  // latin1 gives one character per byte. @types/node allows only Buffer encodings for text here.
  return unlessVanished(directory, () => opendirSync(path, { encoding: 'latin1', bufferSize: 256 }));
}

function unlessVanished<T>(path: string, ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw CopyError.reading(toText(path), error);
  }
}
