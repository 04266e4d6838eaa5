/** Decides the locations of the tablespaces of a restored cluster. Pure. */
import { HoldfastError } from '../errors.ts';
import type { MappedTablespace } from '../postgres/tablespace-map.ts';

/** A tablespace and its location after the restore. */
export interface PlacedTablespace {
  oid: string;
  /** Absolute path, one character per byte. */
  location: string;
  /** Whether the location is below the new data directory. */
  inside: boolean;
}

/** The input of placeTablespaces(). */
export interface Placement {
  /** The entries of tablespace_map. */
  mapped: readonly MappedTablespace[];
  /** The old data directory, absolute. */
  from: string;
  /** The new data directory, absolute. */
  to: string;
  /** Locations that the user chose, absolute, by OID. */
  moved: ReadonlyMap<string, string>;
}

/**
 * Decides the location of each tablespace. A location below the old data directory moves with the data
 * directory.
 * @throws HoldfastError of kind `usage` where the user names an OID that the backup does not have;
 * `backup_damaged`, `tablespace_overlaps`
 */
export function placeTablespaces({ mapped, from, to, moved }: Placement): PlacedTablespace[] {
  const oids = mapped.map(({ oid }) => oid);
  const unknown = [...moved.keys()].find((oid) => !oids.includes(oid));
  if (unknown !== undefined) {
    throw new HoldfastError('usage', `the backup has no tablespace ${unknown}`, {
      code: 'no_such_tablespace',
      hint:
        oids.length === 0
          ? 'leave --tablespace out, since the backup has no tablespace'
          : `give one of ${oids.join(', ')}`,
    });
  }
  const below = (directory: string) => `${Buffer.from(directory).toString('latin1').replace(/\/+$/, '')}/`;
  const placed = mapped.map(({ oid, location }) => {
    const chosen = moved.get(oid);
    const was = location.toString('latin1');
    if (chosen === undefined) refuseWinding(oid, location);
    const stays = chosen === undefined ? was : Buffer.from(chosen).toString('latin1');
    const wasInside = chosen === undefined && was.startsWith(below(from));
    const is = wasInside ? below(to) + was.slice(below(from).length) : stays;
    return { oid, location: is, inside: is.startsWith(below(to)) };
  });
  refuseOverlap(placed, below(to));
  return placed;
}

/**
 * Refuses a location that is not an absolute path without `.` and `..`. PostgreSQL canonicalizes every
 * location before linking to the location, so that another path is a sign of damage.
 */
function refuseWinding(oid: string, location: Buffer): void {
  const path = location.toString('latin1');
  if (path.startsWith('/') && !path.split('/').some((part) => part === '.' || part === '..')) return;
  throw new HoldfastError('failed', `tablespace ${oid} was in "${location.toString()}", which is no place`, {
    code: 'backup_damaged',
    hint: `restore another backup, or say where: --tablespace ${oid}=DIR`,
  });
}

/**
 * Refuses locations that overlap: the files of two tablespaces, or of a tablespace and the data directory,
 * would be mixed.
 */
function refuseOverlap(placed: readonly PlacedTablespace[], to: string): void {
  const paths = placed.map(({ oid, location }) => ({ oid, path: `${location.replace(/\/+$/, '')}/` }));
  for (const { oid, path } of paths) {
    const other = paths.find((one) => one.oid !== oid && path.startsWith(one.path));
    if (other === undefined && !to.startsWith(path)) continue;
    throw tablespaceOverlaps(oid, other === undefined ? 'the data directory' : `tablespace ${other.oid}`);
  }
}

/** The error about a tablespace that overlaps with another directory. `what` describes the other directory. */
export function tablespaceOverlaps(oid: string, what: string): HoldfastError {
  return new HoldfastError('failed', `tablespace ${oid} and ${what} would be one inside the other`, {
    code: 'tablespace_overlaps',
    hint: `say where to put it: --tablespace ${oid}=DIR`,
  });
}

/**
 * Refuses locations outside of the data directory that only the backup names, if the restore runs as root.
 * Root can write everywhere, and other users may be able to write to the repository, so the operator has to
 * confirm such locations.
 * @throws HoldfastError `tablespace_unasked`
 */
export function refuseUnasked(
  placed: readonly PlacedTablespace[],
  { moved, asWere }: { moved: Placement['moved']; asWere: boolean },
): void {
  const unasked = placed.filter(({ oid, inside }) => !inside && !moved.has(oid));
  if (asWere || unasked.length === 0) return;
  const [first] = unasked;
  const list = unasked.map(
    ({ oid, location }) => `${oid} to "${Buffer.from(location, 'latin1').toString()}"`,
  );
  throw new HoldfastError(
    'failed',
    `as root, a tablespace does not go where only the backup says: ${list.join(', ')}`,
    {
      code: 'tablespace_unasked',
      hint: `give --tablespaces-as-they-were where that is right, or say where: --tablespace ${first?.oid}=DIR`,
    },
  );
}
