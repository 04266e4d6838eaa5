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

/** @throws HoldfastError of kind `usage` for an OID that the backup does not have */
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
  return mapped.map(({ oid, location }) => {
    const chosen = moved.get(oid);
    const was = location.toString('latin1');
    const stays = chosen === undefined ? was : Buffer.from(chosen).toString('latin1');
    const wasInside = chosen === undefined && was.startsWith(below(from));
    const is = wasInside ? below(to) + was.slice(below(from).length) : stays;
    return { oid, location: is, inside: is.startsWith(below(to)) };
  });
}
