/** Explains from the log of a private server why recovery failed. Pure. */
import { HoldfastError } from '../errors.ts';

interface Explanation {
  says: RegExp;
  code: string;
  hint: string;
}

const unreached = {
  code: 'target_not_reached',
  hint: 'choose an earlier target: the archive ends before this target, or has no such target',
};

const explanations: Explanation[] = [
  {
    says: /No space left on device|could not (?:extend|write).*only wrote/,
    code: 'no_room',
    hint: 'make room, or choose another drill_directory: replay needs more than was expected',
  },
  {
    says: /resource manager with ID \d+ not registered/,
    code: 'recovery_failed',
    hint: 'name the library of the extension that has written this WAL in drill_preload of the cluster',
  },
  {
    says: /could not (?:load library|access file)/,
    code: 'recovery_failed',
    hint: 'install the libraries in drill_preload of the cluster on this host',
  },
  {
    says: /recovery ended before configured recovery target was reached/,
    ...unreached,
  },
  {
    says: /WAL ends before (?:end of online backup|consistent recovery point)|could not locate required checkpoint record/,
    code: 'recovery_failed',
    hint: 'see what "holdfast wal fetch" said, and whether the user that owns the restored files may read the repository: WAL that the backup needs could not be fetched',
  },
  {
    says: /could not (?:map anonymous shared memory|create shared memory segment)|out of shared memory/,
    code: 'recovery_failed',
    hint: 'drill on a host with more memory: this host has too little for a small server, or too many prepared transactions were to be recovered',
  },
];

/** Number of lines of the log in an error. */
const mostSaid = 6;

/** An error that explains a log. The log is in English. */
export function explainServer(log: string): HoldfastError {
  const lines = log.trimEnd().split('\n');
  const fatal = lines.filter((line) => /\b(?:FATAL|PANIC):/.test(line));
  // Lines of restore_command have no time and no process ID.
  const fetched = lines.findLast((line) => line.startsWith('holdfast: '));
  const why = fatal.map((line) => line.replace(/^.*?\b(?:FATAL|PANIC):\s*/, '')).at(0);
  const said = why ?? lines.slice(-mostSaid).join('; ');
  const known = explanations.find(({ says }) => says.test(fatal.length > 0 ? fatal.join('\n') : log));
  const fetchFailed = fetched === undefined ? '' : `; ${fetched}`;
  return new HoldfastError('failed', `PostgreSQL cannot complete the recovery: ${said}${fetchFailed}`, {
    code: known?.code ?? 'recovery_failed',
    hint: known?.hint ?? 'restore it by hand ("holdfast restore --to DIR") and see what the server says',
  });
}

/**
 * Refuses a server whose recovery did not reach the target. PostgreSQL 12 opens such a server without an
 * error.
 * @throws HoldfastError `target_not_reached`
 */
export function refuseUnreached(log: string): void {
  if (!/\bLOG: {2}recovery stopping /.test(log))
    throw new HoldfastError('failed', 'recovery ended before the target was reached', unreached);
}
