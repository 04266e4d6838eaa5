/**
 * Finds the directories in which a worker can look for archived WAL, and the segments that are missing there.
 * Another archiving program may add a suffix to the name of a segment (compression, checksum), and may use one
 * directory or one directory per log file.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readIdentity } from '../repository/cluster-identity.ts';
import { requireAnswer } from '../system/answering.ts';
import { readOwner } from '../repository/repository-owner.ts';
import { segmentsIn, walDirectory, walLogs } from '../repository/wal-archive.ts';

/** A directory that may be the archive of a server. */
export interface ArchivePlace {
  directory: string;
  /**
   * Returns the given segments that are missing in the directory. undefined: the server archives elsewhere.
   * @throws where the directory cannot be read
   */
  missing: (segments: readonly string[]) => Promise<readonly string[] | undefined>;
}

/** The cluster and the settings for which archive directories are looked up. */
export interface ArchiveQuestion {
  /** The directory of the cluster in the repository. */
  clusterDirectory: string;
  /** The archive_directory of the cluster in the configuration of the worker; undefined: not set. */
  archiveDirectory: string | undefined;
  systemIdentifier: string;
  /**
   * True if the server is known to have no other archive than a repository of this host: archive_command archives nothing,
   * or is Holdfast's, and the server runs here.
   */
  hasNoOther: boolean;
}

/**
 * Returns the directories in which to look for segments. The configured directory always counts as an archive of
 * the server; the repository counts only if the server archives to the repository.
 */
export function archivePlaces(question: ArchiveQuestion): ArchivePlace[] {
  const { clusterDirectory, archiveDirectory } = question;
  const repository: ArchivePlace = {
    directory: walDirectory(clusterDirectory),
    async missing(segments) {
      await requireAnswer(clusterDirectory);
      return (await isArchivedInto(question)) ? missingFromRepository(clusterDirectory, segments) : undefined;
    },
  };
  if (archiveDirectory === undefined) return [repository];
  const configured: ArchivePlace = {
    directory: archiveDirectory,
    async missing(segments) {
      await requireAnswer(archiveDirectory);
      return missingFromDirectory(archiveDirectory, segments);
    },
  };
  return [configured, repository];
}

/**
 * A repository without WAL of this system is not the archive of the server. An example is a repository that is
 * used for copies only.
 */
async function isArchivedInto(question: ArchiveQuestion): Promise<boolean> {
  const { clusterDirectory, systemIdentifier, hasNoOther } = question;
  const identity = await readIdentity(clusterDirectory);
  if (identity === undefined) return hasNoOther && (await readOwner(clusterDirectory)) !== undefined;
  if (identity.systemIdentifier !== systemIdentifier) return false;
  return hasNoOther || (await hasSegments(clusterDirectory));
}

async function hasSegments(clusterDirectory: string): Promise<boolean> {
  for (const log of (await walLogs(clusterDirectory)).toReversed())
    if ((await segmentsIn(clusterDirectory, log)).length > 0) return true;
  return false;
}

/**
 * Reads directory listings instead of single files: a network file system may cache for a while that a file does
 * not exist.
 */
async function missingFromRepository(
  clusterDirectory: string,
  segments: readonly string[],
): Promise<string[]> {
  const there = new Set<string>();
  for (const log of logsOf(segments))
    for (const segment of await segmentsIn(clusterDirectory, log)) there.add(segment);
  return segments.filter((segment) => !there.has(segment));
}

async function missingFromDirectory(directory: string, segments: readonly string[]): Promise<string[]> {
  const left = await without(segments, (segment) => hasBytes(join(directory, segment)));
  if (left.length === 0) return [];
  const names = await readdir(directory);
  const paths = names.map((name) => join(directory, name));
  for (const log of logsOf(left)) {
    if (!names.includes(log)) continue;
    for (const name of await readdir(join(directory, log))) paths.push(join(directory, log, name));
  }
  const wanted = new Map(left.map((segment) => [segment, [] as string[]]));
  for (const path of paths) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const candidates = wanted.get(name.slice(0, 24));
    if (candidates !== undefined && holdsSegment(name)) candidates.push(path);
  }
  return without(left, async (segment) => {
    const found = await Promise.all((wanted.get(segment) ?? []).map(hasBytes));
    return found.includes(true);
  });
}

/**
 * Whether a file with this name holds a whole WAL segment. The names of backup history files, partial segments,
 * archive status files and checksum files begin with a segment name, too.
 */
export function holdsSegment(name: string): boolean {
  const suffix = /^[0-9A-F]{24}((?:[-.].*)?)$/.exec(name)?.[1];
  return (
    suffix !== undefined &&
    !/\.(?:backup|partial|part|te?mp|ready|done|md5|sha\d*(?:sum)?)(?:\.|$)/i.test(suffix)
  );
}

/**
 * Whether an archive_command does nothing and succeeds for every segment, such as `/bin/true`. PostgreSQL's manual
 * mentions such a command for disabling archiving.
 */
export function doesNothing(command: string): boolean {
  const program =
    /^\s*(["']?)(?:(?:\/usr)?\/bin\/)?(?:true|echo|:|cd|test)\1(?:\s|$)|^\s*(?:exit\s+0|rem|\[)(?:\s|$)/i;
  const alone = command.replace(/(?:\s*;|\s*\d?>+\s*(?:\/dev\/null|&\d))+\s*$/, '');
  return program.test(alone) && !/[;&|<>`$()\n]/.test(alone);
}

/**
 * Whether an archive_command runs "holdfast wal push" or "holdfast-wal push": the archive is a repository then, also
 * where the command fails, and something behind it succeeds (`… || true`).
 */
export function isPush(command: string): boolean {
  return /\bholdfast(?:-wal|\.js)?["']?\s(?:[^;&|\n]*\s)?push\s/.test(command);
}

function logsOf(segments: readonly string[]): Set<string> {
  return new Set(segments.map((segment) => segment.slice(0, 16)));
}

async function without(
  segments: readonly string[],
  isThere: (segment: string) => Promise<boolean>,
): Promise<string[]> {
  const there = await Promise.all(segments.map(isThere));
  return segments.filter((_, index) => there[index] !== true);
}

async function hasBytes(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isFile() && stats.size > 0,
    () => false,
  );
}
