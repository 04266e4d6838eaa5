/** The rooms of src/, and which package is let in where. The linter's rules are made from this: node dev/lint-rules.ts */

/** From the top down; what stands on one line are siblings, which do not import each other. */
export const levels: readonly (readonly string[])[] = [
  ['cli'],
  ['worker'],
  ['health'],
  ['drill'],
  ['restore', 'verify', 'retention'],
  ['backup', 'labels', 'wal', 'extraction', 'schedules', 'offsite'],
  ['chores'],
  ['identity'],
  ['recovery'],
  ['server', 'control'],
  ['repository', 'database'],
  ['postgres'],
  ['config', 'system'],
];

export const rooms: readonly string[] = levels.flat();

/** Each third-party package is imported in one place. */
export const places: Readonly<Record<string, string>> = {
  commander: 'src/cli/**',
  '@node-rs/crc32': 'src/postgres/crc32c.ts',
  'fastest-levenshtein': 'src/config/suggest.ts',
  'node-cron': 'src/schedules/cron.ts',
  pg: 'src/database/connection.ts',
  'pg-boss': 'src/control/pg-boss.ts',
  'pg-listen': 'src/control/listener.ts',
  'smol-toml': 'src/config/config-file.ts',
  'string-width': 'src/cli/render/table.ts',
};

/** The rooms that this one must not import from; a module of no room, such as errors.ts, imports from none. */
export function closedTo(room: string | undefined): string[] {
  const level = room === undefined ? levels.length : levels.findIndex((names) => names.includes(room));
  return levels
    .slice(0, level + 1)
    .flat()
    .filter((name) => name !== room);
}

interface Override {
  files: string[];
  rules: Record<string, unknown>;
}

/** The overrides of .oxlintrc.json for src/. */
export function sourceRules(): Override[] {
  const rules = (room: string | undefined, allowed?: string) => {
    const closed = closedTo(room);
    const up = closed.length === 0 ? [] : [{ regex: `^(\\.\\.?/)+(${closed.join('|')})/`, message: upwards }];
    return { 'no-restricted-imports': ['error', { patterns: [...up, packages(allowed)] }] };
  };
  const roomOf = (path: string) => path.split('/')[1];
  return [
    { files: ['src/*.ts'], rules: rules(undefined) },
    ...rooms.map((room) => ({
      files: [`src/${room}/**`],
      rules: rules(room, room === 'cli' ? 'commander' : undefined),
    })),
    ...Object.entries(places)
      .filter(([, path]) => !path.endsWith('**'))
      .map(([name, path]) => ({ files: [path], rules: rules(roomOf(path), name) })),
  ];
}

const upwards = `Imports point down: ${levels.map((names) => names.join(', ')).join('; ')}; errors and log. Siblings meet through rows.`;

function packages(allowed?: string): { group: string[]; message: string } {
  return {
    group: [
      '*',
      '!./**',
      '!../**',
      '!node:*',
      '!node:*/*',
      ...(allowed === undefined ? [] : [`!${allowed}`]),
    ],
    message: 'Each third-party package is imported in one place: see CONTRIBUTING.md.',
  };
}
