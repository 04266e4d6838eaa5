/**
 * Where archived WAL can be seen from here, and which segments are not there. What another program archived has names
 * of its own making: the segment's, with what compressed or checked it behind it, in one directory or in one per log.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readIdentity } from '../repository/cluster-identity.ts';
import { readOwner } from '../repository/repository-owner.ts';
import { segmentsIn, walDirectory, walLogs } from '../repository/wal-archive.ts';

export interface ArchivePlace {
  directory: string;
  /** Of these segments, those that are not there; undefined: the server archives elsewhere. @throws where that cannot be known */
  missing: (segments: readonly string[]) => Promise<readonly string[] | undefined>;
}

export interface ArchiveQuestion {
  /** The cluster's, in the repository. */
  clusterDirectory: string;
  /** The configured one. */
  archiveDirectory: string | undefined;
  systemIdentifier: string;
  /** It is known that the server archives nowhere, so nowhere else. */
  archivesNothing: boolean;
}

/** The configured directory is the archive by the operator's word. */
export function archivePlaces(question: ArchiveQuestion): ArchivePlace[] {
  const { clusterDirectory, archiveDirectory } = question;
  const repository: ArchivePlace = {
    directory: walDirectory(clusterDirectory),
    missing: async (segments) =>
      (await isArchivedInto(question)) ? missingFromRepository(clusterDirectory, segments) : undefined,
  };
  if (archiveDirectory === undefined) return [repository];
  const configured: ArchivePlace = {
    directory: archiveDirectory,
    missing: (segments) => missingFromDirectory(archiveDirectory, segments),
  };
  return [configured, repository];
}

/** A repository without WAL of this system, such as one for copies only, is not its archive. */
async function isArchivedInto(question: ArchiveQuestion): Promise<boolean> {
  const { clusterDirectory, systemIdentifier, archivesNothing } = question;
  const identity = await readIdentity(clusterDirectory);
  if (identity === undefined) return archivesNothing && (await readOwner(clusterDirectory)) !== undefined;
  if (identity.systemIdentifier !== systemIdentifier) return false;
  return archivesNothing || (await hasSegments(clusterDirectory));
}

async function hasSegments(clusterDirectory: string): Promise<boolean> {
  for (const log of (await walLogs(clusterDirectory)).toReversed())
    if ((await segmentsIn(clusterDirectory, log)).length > 0) return true;
  return false;
}

/** By lists, since a network file system may remember for a while that a file was not there. */
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

/** History files, unfinished ones, marks and checksums have a segment's name as well. */
export function holdsSegment(name: string): boolean {
  const suffix = /^[0-9A-F]{24}((?:[-.].*)?)$/.exec(name)?.[1];
  return (
    suffix !== undefined &&
    !/\.(?:backup|partial|part|te?mp|ready|done|md5|sha\d*(?:sum)?)(?:\.|$)/i.test(suffix)
  );
}

/** Whether a shell succeeds with it, whatever happens: what PostgreSQL's manual has for "archive nothing", and its like. */
export function doesNothing(command: string): boolean {
  const program = /^\s*(["']?)(?:(?:\/usr)?\/bin\/)?(?:true|echo|:)\1(?:\s|$)|^\s*(?:exit\s+0|rem)(?:\s|$)/i;
  return program.test(command) && !/[;&|<>`$()\n]/.test(command);
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
