// Which tests "npm test" runs: all that are quick, and of the scenarios one for each promise and each error code of a
// request. test/house/selection.test.ts holds the lists to the promises and the codes.
import { globSync } from 'node:fs';
import { root } from './root.ts';

/** What Holdfast promises, and the scenarios of `npm test` that try to break it. */
export const promises: Readonly<Record<string, readonly string[]>> = {
  'A label is never lost.': ['durable', 'stop-interrupted'],
  "A label is never somebody else's.": ['client-manners'],
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
  'clusters',
  'control-restored',
  'copy-damaged',
  'copy-links',
  'drain',
  'hold-timeout',
  'label-directory-fails',
  'labels',
  'pooler',
  'repository-full',
  'standby-refused',
];

/** The files of `npm test`, relative to the checkout. */
export function quickFiles(): string[] {
  const scenarios = new Set([...Object.values(promises).flat(), ...forErrorCodes]);
  return allFiles().filter((file) => {
    const scenario = /^test\/scenarios\/(.*)\.test\.ts$/.exec(file)?.[1];
    return scenario === undefined || scenarios.has(scenario);
  });
}

/** The files of `npm run test:all`. */
export function allFiles(): string[] {
  return globSync('test/**/*.test.ts', { cwd: root }).sort();
}
