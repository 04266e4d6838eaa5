/** Where the tablespaces of a restored cluster go. Pure. */
import { HoldfastError } from '../errors.ts';
import type { MappedTablespace } from '../postgres/tablespace-map.ts';

export interface PlacedTablespace {
  oid: string;
  /** One character a byte. */
  location: string;
  /** Whether it is below the new data directory. */
  inside: boolean;
}

export interface Placement {
  mapped: readonly MappedTablespace[];
  /** Where the data directory was, and is to be; absolute. */
  from: string;
  to: string;
  /** Where some are to go instead, absolute, by OID. */
  moved: ReadonlyMap<string, string>;
}

/** @throws HoldfastError of kind `usage` for an OID that the backup does not have; `backup_damaged`, `tablespace_overlaps` */
export function placeTablespaces({ mapped, from, to, moved }: Placement): PlacedTablespace[] {
  const oids = mapped.map(({ oid }) => oid);
  const unknown = [...moved.keys()].find((oid) => !oids.includes(oid));
  if (unknown !== undefined) {
    throw new HoldfastError('usage', `the backup has no tablespace ${unknown}`, {
      code: 'no_such_tablespace',
      hint: oids.length === 0 ? 'it has none' : `it has ${oids.join(', ')}`,
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

/** As PostgreSQL has them: it makes every path a plain one before it links to it. */
function refuseWinding(oid: string, location: Buffer): void {
  const path = location.toString('latin1');
  if (path.startsWith('/') && !path.split('/').some((part) => part === '.' || part === '..')) return;
  throw new HoldfastError('failed', `tablespace ${oid} was in "${location.toString()}", which is no place`, {
    code: 'backup_damaged',
    hint: `restore another backup, or say where: --tablespace ${oid}=DIR`,
  });
}

/** Files of two tablespaces, or of one and the data directory, would lie among each other. */
function refuseOverlap(placed: readonly PlacedTablespace[], to: string): void {
  const paths = placed.map(({ oid, location }) => ({ oid, path: `${location.replace(/\/+$/, '')}/` }));
  for (const { oid, path } of paths) {
    const other = paths.find((one) => one.oid !== oid && path.startsWith(one.path));
    if (other === undefined && !to.startsWith(path)) continue;
    throw tablespaceOverlaps(oid, other === undefined ? 'the data directory' : `tablespace ${other.oid}`);
  }
}

export function tablespaceOverlaps(oid: string, what: string): HoldfastError {
  return new HoldfastError('failed', `tablespace ${oid} and ${what} would lie one in the other`, {
    code: 'tablespace_overlaps',
    hint: `say where to put it: --tablespace ${oid}=DIR`,
  });
}

/**
 * For root, who can write everywhere: where files go outside of the target is for the operator to say, not for a
 * repository that others can write.
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
    `as root, no tablespace goes where only the backup says: ${list.join(', ')}`,
    {
      code: 'tablespace_unasked',
      hint: `give --tablespaces-as-they-were where that is right, or say where: --tablespace ${first?.oid}=DIR`,
    },
  );
}
