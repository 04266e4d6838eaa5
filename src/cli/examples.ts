/** The end of each command's help: one or more examples, and notes for some commands. */
import type { CommandName } from './command-list.ts';

/** The examples of each command, one per line. */
export const examples: Record<CommandName, readonly string[]> = {
  install: ['holdfast install', 'holdfast install --repository /srv/backup'],
  adopt: ['holdfast adopt', 'holdfast adopt --yes --json'],
  worker: ['holdfast worker', 'holdfast worker --config /etc/holdfast.toml'],
  start: ['holdfast start nightly --fast', 'holdfast start --method copy --wait --timeout 6h'],
  stop: ['holdfast stop nightly --to /srv/labels/nightly', 'holdfast stop --id 12 --timeout 1h'],
  cancel: ['holdfast cancel 12', 'holdfast cancel --label nightly'],
  status: ['holdfast status', 'holdfast status 12', 'holdfast status --watch 5s'],
  label: ['holdfast label 12 --to /srv/labels/12'],
  place: ['holdfast place 12 --data-directory /var/lib/postgresql/18/restored'],
  restore: [
    'holdfast restore --list',
    'holdfast restore --to /var/lib/postgresql/18/restored --target-time "2026-03-14 12:00:00+00"',
    'holdfast restore --to /var/lib/postgresql/18/restored --dry-run',
  ],
  verify: ['holdfast verify 12', 'holdfast verify --all --jobs 2'],
  expire: ['holdfast expire --dry-run', 'holdfast expire --cluster main'],
  drill: ['holdfast drill', 'holdfast drill 12 --directory /srv/drill --pg-bin /usr/lib/postgresql/18/bin'],
  check: ['holdfast check', 'holdfast check --cluster main --max-age 26h'],
  wal: [
    `archive_command = 'holdfast wal push "%p"'`,
    `restore_command = 'holdfast wal fetch "%f" "%p"'`,
    'holdfast wal init --repository /srv/backup --cluster main',
  ],
  sync: ['holdfast sync', 'holdfast sync --cluster main --force'],
  wait: ['holdfast wait 600', 'holdfast wait --cluster main'],
};

const notes: Partial<Record<CommandName, string>> = {
  check: `It looks, for each cluster, at: a live worker; the age of the last complete
backup (--max-age); failed and overdue backups; the archiver, and how long WAL
waits for it; missing WAL, and the time to which a restore can go; damaged
pages and backups that are not in the repository; schedules, chores and drills
that failed. And at the version of the schema, clocks that are wrong, and a
control database that rests until "holdfast adopt".`,
};

/** The text below the options of a command. */
export function helpAfter(name: CommandName): string {
  const note = notes[name];
  const lines = ['', 'Examples:', ...examples[name].map((example) => `  ${example}`)];
  return [...(note === undefined ? [] : ['', note]), ...lines].join('\n');
}
