import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { parseWalArguments } from '../../src/cli/wal/wal-arguments.ts';
import { HoldfastError } from '../../src/errors.ts';
import { allKeys } from '../../src/config/config-keys.ts';
import { holdfast } from '../support/process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Nothing listens there. */
const nowhere = 'postgres://someone:hunter2@127.0.0.1:1/nowhere';

for (const [args, message, hint] of [
  [['strat'], /^unknown command 'strat'$/, 'type start, if you mean that'],
  [
    ['status', '--databse-url=u:secret@h/db'],
    /^unknown option '--databse-url=…'$/,
    'add --help to see what can be typed',
  ],
  [['status', '--wach'], /^unknown option '--wach'$/, 'type --watch, if you mean that'],
  [['start', 'a', 'b'], /^too many arguments for 'start'/, 'add --help to see what can be typed'],
  [
    ['start', '--timeout', '5'],
    /^--timeout "5" has no unit; accepted: "90s"/,
    'add --help to see what can be typed',
  ],
  [
    ['start', '--timeout', '0'],
    /^--timeout "0" has to be longer than 0$/,
    'add --help to see what can be typed',
  ],
  [
    ['start', '--hold-timeout', 'soon'],
    /^--hold-timeout "soon" is not a duration/,
    'add --help to see what can be typed',
  ],
  [
    ['start', '--annotations', '{'],
    /^--annotations "{" is not JSON: /,
    'add --help to see what can be typed',
  ],
  [
    ['stop', '--id', 'twelve'],
    /^--id "twelve" is not a backup request's id, which is a number$/,
    'add --help to see what can be typed',
  ],
  [
    ['cancel', 'abc'],
    /^id "abc" is not a backup request's id, which is a number$/,
    'add --help to see what can be typed',
  ],
  [
    ['start', '--method', 'x'],
    /^--method "x" is not one of hold, copy$/,
    'add --help to see what can be typed',
  ],
  [
    ['restore', '--target-time', 'yesterday'],
    /^--target-time "yesterday" is not a date and time /,
    'add --help to see what can be typed',
  ],
  [
    ['wal', 'push', '--data-directory', '/data', 'f'],
    /^unknown option '--data-directory'$/,
    'write holdfast wal push "%p" into archive_command, and holdfast wal fetch "%f" "%p" into restore_command',
  ],
  [
    ['wait', 'soon'],
    /^seconds "soon" is not a number of seconds above 0: type for example 90$/,
    'add --help to see what can be typed',
  ],
  [
    ['restore', '--target-lsn', 'x'],
    /^--target-lsn "x" is not an LSN$/,
    'add --help to see what can be typed',
  ],
  [['stop'], /^give either the id or the label/, 'see both with "holdfast status"'],
  [['stop', 'nightly', '--id', '3'], /^give either the id or the label/, 'see both with "holdfast status"'],
  [['cancel'], /^give either the id or the label/, 'see both with "holdfast status"'],
  [['cancel', '3', '--label', 'x'], /^give either the id or the label/, 'see both with "holdfast status"'],
  [
    ['label', '3'],
    /^required option '--to <directory>' not specified$/,
    'add --help to see what can be typed',
  ],
  [
    ['place', '3'],
    /^required option '--data-directory <directory>' not specified$/,
    'add --help to see what can be typed',
  ],
  [
    ['status', '--schema', 'pg_x'],
    /\(from --schema\) begins with "pg_"/,
    'give 1 to 40 bytes, not beginning with "pg_"',
  ],
  [
    ['status', '--config', '/nowhere'],
    /^the configuration file "\/nowhere" cannot be read/,
    'name another one with --config or HOLDFAST_CONFIG',
  ],
] as const) {
  test(`wrong usage is explained, and exits with 2: ${args.join(' ')}`, async (t) => {
    const { status, stdout, stderr } = await holdfast([...args], { url: nowhere });
    t.deepEqual([status, stdout], [2, '']);
    const [said = '', advice] = stderr.split('\n');
    t.true(said.startsWith('holdfast: '));
    t.regex(said.slice('holdfast: '.length), message);
    t.is(advice, `  hint: ${hint}`);
  });
}

test('each command of "holdfast wal" says how it is written itself', (t) => {
  const refusal = (command: 'push' | 'fetch' | 'init', ...args: string[]) =>
    t.throws(() => parseWalArguments(command, args), { instanceOf: HoldfastError });
  t.like(refusal('init', 'main'), {
    kind: 'usage',
    message: 'expected no arguments, and got 1',
    hint: 'type holdfast wal init --repository DIR --cluster NAME, and --data-directory DIR where the server had another repository',
  });
  t.like(refusal('fetch', 'name'), { kind: 'usage', message: 'expected <name> <destination>, and got 1' });
  t.regex(String(refusal('push').hint), /^write holdfast wal push "%p" into archive_command/);
});

test('without a command the help goes to standard error, and the status is 2', async (t) => {
  const { status, stdout, stderr } = await holdfast([]);
  t.deepEqual([status, stdout], [2, '']);
  t.regex(stderr, /^Usage: holdfast/);
});

test('help and version go to standard output, and the status is 0', async (t) => {
  const help = await holdfast(['start', '--help']);
  t.is(help.status, 0);
  t.regex(help.stdout, /^Usage: holdfast start \[options\] \[label\][^]*--database-url/);
  for (const args of [['wal', 'push', '--help'], ['wal', 'fetch', '-h'], ['-h'], ['status', '-h']]) {
    const { status, stdout, stderr } = await holdfast(args);
    t.deepEqual([status, stderr], [0, '']);
    t.true(stdout.startsWith(`Usage: holdfast ${args.slice(0, -1).join(' ')}`), stdout);
  }
  const version = await holdfast(['--version']);
  t.deepEqual([version.status, version.stderr], [0, '']);
});

test("the worker's help has every key of the configuration", async (t) => {
  const { stdout } = await holdfast(['worker', '--help']);
  for (const { path, variable } of allKeys) t.true(stdout.includes(`${path}  (${variable})`), path);
});

test('a database that is not there is said without its password, and exits with 1', async (t) => {
  const { status, stderr } = await holdfast(['status'], { url: nowhere });
  t.is(status, 1);
  t.regex(
    stderr,
    /^holdfast: cannot connect to PostgreSQL at 127\.0\.0\.1:1, database "nowhere", user "someone": /,
  );
  t.notRegex(stderr, /hunter2|\n\s+at /);
});

test('with --json an error is JSON, too', async (t) => {
  const { status, stderr } = await holdfast(['status', '--json'], { url: nowhere });
  t.is(status, 1);
  const { error } = JSON.parse(stderr) as { error: Record<string, unknown> };
  t.like(error, { exit_status: 1, code: 'connection_failed' });
  const wrong = await holdfast(['--json', 'stop'], { url: nowhere });
  t.is((JSON.parse(wrong.stderr) as { error: { exit_status: number } }).error.exit_status, 2);
});

test('an option beats a variable, and a variable the file', async (t) => {
  const file = join(await temporaryDirectory(t), 'holdfast.toml');
  await writeFile(file, '[control]\nurl = "postgres://127.0.0.1:1/of_file"\n');
  const database = async (args: string[], url?: string) => {
    const { stderr } = await holdfast(
      ['status', '--config', file, ...args],
      url === undefined ? {} : { url },
    );
    return /database "(\w+)"/.exec(stderr)?.[1];
  };
  t.is(await database([]), 'of_file');
  t.is(await database([], 'postgres://127.0.0.1:1/of_variable'), 'of_variable');
  t.is(
    await database(
      ['--database-url', 'postgres://127.0.0.1:1/of_option'],
      'postgres://127.0.0.1:1/of_variable',
    ),
    'of_option',
  );
});
