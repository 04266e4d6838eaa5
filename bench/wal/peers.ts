/** Who is compared, by the command that PostgreSQL runs. */
import type { Setting } from './setting.ts';
import { program, script } from '../programs.ts';

export interface Peer {
  name: string;
  command: string;
  /** Whether a worker archives ahead meanwhile. */
  worker?: boolean;
  /** The peer that it is held against. */
  bar?: string;
}

const sync = 'pgBackRest';
const async = 'pgBackRest, asynchronous, process-max=2';

export function pushPeers({ variables, pgbackrest }: Setting): Peer[] {
  return [
    {
      name: 'holdfast wal push, one at a time',
      command: `HOLDFAST_PUSH_AHEAD=0 ${variables} "${program}" wal push "%p"`,
      bar: sync,
    },
    { name: 'holdfast-wal push', command: `${variables} "${script}" push "%p"`, bar: sync },
    ...(pgbackrest ? [{ name: sync, command: `${pgbackrest} archive-push "%p"` }] : []),
    {
      name: 'holdfast-wal push, a worker ahead',
      command: `${variables} "${script}" push "%p"`,
      worker: true,
      bar: async,
    },
    ...(pgbackrest ? [{ name: async, command: `${pgbackrest} --archive-async archive-push "%p"` }] : []),
  ];
}

export function fetchPeers({ variables, pgbackrest, recovering }: Setting): Peer[] {
  const restoring = pgbackrest && `${pgbackrest} --pg1-path="${recovering}"`;
  return [
    {
      name: 'holdfast wal fetch, no read-ahead',
      command: `HOLDFAST_FETCH_AHEAD=0 ${variables} "${program}" wal fetch "%f" "%p"`,
      bar: sync,
    },
    ...(restoring ? [{ name: sync, command: `${restoring} archive-get "%f" "%p"` }] : []),
    { name: 'holdfast-wal fetch', command: `${variables} "${script}" fetch "%f" "%p"`, bar: async },
    ...(restoring ? [{ name: async, command: `${restoring} --archive-async archive-get "%f" "%p"` }] : []),
  ];
}
