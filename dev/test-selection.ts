// Which tests "npm test" runs: those that need no program of Holdfast's, which are the tests of functions and of SQL, and of
// the scenarios one for each promise and each error code of a request. test/house/selection.test.ts holds the lists to the promises and the codes.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './root.ts';

/** What starts Holdfast's programs for a test. */
const programs = 'test/support/process.ts';

/** What Holdfast promises, and the scenarios of `npm test` that try to break it. */
export const promises: Readonly<Record<string, readonly string[]>> = {
  'A label is never lost.': ['durable', 'stop-interrupted'],
  "A label is never somebody else's.": ['own-sessions'],
  '`complete` means restorable.': ['archiver-failing', 'stop-on-boundary'],
  '`running` is true.': ['session-terminated', 'worker-killed-alone'],
  'NOTIFY is a hint.': ['forged-notifications'],
  'INSERT is not a shell.': ['copy-refused'],
  'No superuser.': ['privileges'],
  'Restorable without Holdfast.': ['copy', 'tablespaces'],
  'What may be a copy is never believed.': ['restored-beside-production'],
  'What is restored is what was.': ['history-damaged'],
};

/** For the error codes of a request that no scenario above ends with. */
export const forErrorCodes: readonly string[] = [
  'archiving-refused',
  'caller-gone',
  'cluster-unreachable',
  'control-restored',
  'copy-damaged',
  'copy-unreadable',
  'drain',
  'hold-timeout',
  'label-directory-fails',
  'labels',
  'pooler',
  'repository-full',
  'standby-refused',
];

/**
 * Below test/. They are no scenarios and take as long: servers of their own that are broken, programs that are started again
 * and again, the linter, AVA itself, or the same in a thousand ways.
 */
export const exhaustive: readonly string[] = [
  'backup/copy/stopped',
  'cli/exit',
  'dev/embedded/cluster',
  'dev/start',
  'dev/together',
  'house/imports',
  'postgres/pg-control-checksums',
  'repository/wal-chain',
  'retention/promises',
  'schedules/next-run-and-node-cron',
  'support/black-hole-proxy',
  'support/cluster',
  'system/threads',
];

/** The files of `npm test`, relative to the checkout. */
export function quickFiles(): string[] {
  const scenarios = new Set([...Object.values(promises).flat(), ...forErrorCodes]);
  return allFiles().filter((file) => {
    const name = file.replace(/^test\/(.*)\.test\.ts$/, '$1');
    if (name.startsWith('scenarios/')) return scenarios.has(name.replace('scenarios/', ''));
    return !exhaustive.includes(name) && !startsPrograms(file);
  });
}

/** The files of `npm run test:all`. */
export function allFiles(): string[] {
  return globSync('test/**/*.test.ts', { cwd: root }).sort();
}

/** Whether a test runs holdfast or a worker as a process, which takes most of the time of all tests. */
export function startsPrograms(file: string): boolean {
  return file !== programs && sourcesOf(file).has(programs);
}

/** A file and all that it imports by a relative path, relative to the checkout. */
export function sourcesOf(file: string, found = new Set<string>()): Set<string> {
  // What stands in a text is no import: the file is not there.
  if (found.has(file) || !existsSync(join(root, file))) return found;
  found.add(file);
  for (const [, imported = ''] of readFileSync(join(root, file), 'utf8').matchAll(/ from '(\.[^']+)'/g))
    sourcesOf(join(dirname(file), imported), found);
  return found;
}
