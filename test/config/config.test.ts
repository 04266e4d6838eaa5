import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { loadConfig, type Config, type ConfigInput } from '../../src/config/config.ts';
import { HoldfastError } from '../../src/errors.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

async function withFile(t: ExecutionContext, toml: string): Promise<string> {
  const file = join(await temporaryDirectory(t), 'holdfast.toml');
  await writeFile(file, toml);
  return file;
}

/** Where nobody says anything else: a file without a word in it. */
async function load(t: ExecutionContext, toml: string, input: Partial<ConfigInput> = {}): Promise<Config> {
  return loadConfig({ file: await withFile(t, toml), env: {}, ...input });
}

async function refusal(
  t: ExecutionContext,
  toml: string,
  input: Partial<ConfigInput> = {},
): Promise<HoldfastError> {
  const error = await t.throwsAsync(load(t, toml, input), { instanceOf: HoldfastError });
  t.is(error.kind, 'usage');
  return error;
}

test('an option beats a variable', async (t) => {
  const env = { DATABASE_URL: 'postgres://variable', HOLDFAST_SCHEMA: 'variable' };
  const { control } = await load(t, '', { env, databaseUrl: 'postgres://option', schema: 'option' });
  t.deepEqual(control, { url: 'postgres://option', schema: 'option' });
});

test('an empty variable counts as none', async (t) => {
  const { worker } = await load(t, '[worker]\nlabels = "/file"', {
    env: { HOLDFAST_LABELS: '', HOLDFAST_CONFIG: '' },
  });
  t.is(worker.labels, '/file');
});

test('HOLDFAST_CONFIG names the file where no option does', async (t) => {
  const file = await withFile(t, '[worker]\nname = "from-variable"');
  t.is(loadConfig({ env: { HOLDFAST_CONFIG: file } }).worker.name, 'from-variable');
  t.is(
    (await load(t, '[worker]\nname = "from-option"', { env: { HOLDFAST_CONFIG: file } })).worker.name,
    'from-option',
  );
});

test('a variable finds its cluster by the name in capitals, with underscores for what is neither letter nor digit', async (t) => {
  const { clusters } = await load(t, '[cluster.db-7]\n[cluster.other]', {
    env: { HOLDFAST_CLUSTER_DB_7_URL: 'postgres://seven' },
  });
  t.deepEqual(
    clusters.map(({ name, url }) => [name, url]),
    [
      ['db-7', 'postgres://seven'],
      ['other', undefined],
    ],
  );
});

test('an option, then HOLDFAST_CLUSTER, then the only cluster configured, then main is what a command is about', async (t) => {
  const billing = await load(t, '[cluster.billing]');
  t.is(billing.whichCluster(undefined), 'billing');
  t.is(billing.whichCluster('sales'), 'sales');
  const named = await load(t, '[cluster.billing]', { env: { HOLDFAST_CLUSTER: 'sales' } });
  t.is(named.whichCluster(undefined), 'sales');
  t.is((await load(t, '[wal]\ncluster = "eu"')).whichCluster(undefined), 'eu');
  t.is((await load(t, '[cluster.a]\n[cluster.b]')).whichCluster(undefined), 'main');
  t.is((await load(t, '')).whichCluster(undefined), 'main');
  const wrong = await load(t, '', { env: { HOLDFAST_CLUSTER: 'Main' } });
  const { message } = t.throws(() => wrong.whichCluster(undefined), { instanceOf: HoldfastError });
  t.regex(message, /"Main" \(from HOLDFAST_CLUSTER\) is not the name of a cluster/);
});

test('a variable that fits two clusters is refused', async (t) => {
  const error = await refusal(t, '[cluster.a-b]\n[cluster."a.b"]', {
    env: { HOLDFAST_CLUSTER_A_B_URL: 'postgres://x' },
  });
  t.is(error.message, 'HOLDFAST_CLUSTER_A_B_URL could mean each of the clusters a-b, a.b');
});

for (const [toml, message, hint] of [
  [
    '[worker]\nlabel = "/x"',
    /^the key "worker.label" in .* is unknown$/,
    'write "worker.labels", if you mean that',
  ],
  ['[workers]\nlabels = "/x"', /^"workers" in .* is unknown$/, 'write "worker", if you mean that'],
  [
    '[control]\nlabels = "/x"',
    /^the key "control.labels" in .* is unknown$/,
    'write "worker.labels", if you mean that',
  ],
  [
    '[cluster.main]\nuri = "x"',
    /^the key "cluster.main.uri" in .* is unknown$/,
    'write "cluster.main.url", if you mean that',
  ],
  ['[nonsense]\n', /^"nonsense" in .* is unknown$/, 'write one of control, worker, wal, log, cluster'],
] as const) {
  test(`an unknown key is refused with a suggestion: ${toml.replace('\n', ' ')}`, async (t) => {
    const error = await refusal(t, toml);
    t.regex(error.message, message);
    t.is(error.hint, hint);
  });
}

test('a misspelt variable is refused with a suggestion, one of another program is not', async (t) => {
  const error = await refusal(t, '', { env: { HOLDFAST_LABLES: '/x' } });
  t.is(error.message, 'the variable HOLDFAST_LABLES is unknown');
  t.is(error.hint, 'write HOLDFAST_LABELS, if you mean that');
  await t.notThrowsAsync(
    load(t, '', { env: { HOLDFAST_SERVICE_HOST: '10.0.0.1', HOLDFAST_PORT: 'tcp://10.0.0.1:80' } }),
  );
});

for (const [toml, message] of [
  [
    '[worker]\nlabels = "relative"',
    /^worker.labels = "relative" \(from .*holdfast.toml\) is not an absolute path$/,
  ],
  ['[worker]\nlabels = 7', /^worker.labels = 7 \(from .*\) is not text$/],
  ['[worker]\nmax_held = 0', /^worker.max_held = 0 \(from .*\) is out of range$/],
  ['[worker]\nmax_held = 2.5', /^worker.max_held = 2.5 \(from .*\) is not a whole number$/],
  ['[worker]\nhold_timeout = 12', /^worker.hold_timeout = 12 \(from .*\) has no unit$/],
  ['[worker]\nname = "no spaces"', /^worker.name = "no spaces" \(from .*\) is not such a name$/],
  ['[log]\nlevel = "warn"', /^log.level = "warn" \(from .*\) is unknown: did you mean "warning"\?$/],
  [
    '[control]\nschema = "pg_x"',
    /^control.schema = "pg_x" \(from .*\) begins with "pg_", which is reserved$/,
  ],
  ['[control]\nurl = "mysql://h"', /^control.url = "mysql:\/\/h" \(from .*\) does not begin with postgres:/],
  ['[cluster.Main]', /^the name of a cluster = "Main" \(from .*\) is not the name of a cluster$/],
  [
    '[cluster.main]\ndata_directory = "x"',
    /^cluster.main.data_directory = "x" \(from .*\) is not an absolute path$/,
  ],
  ['worker = 3', /^"worker" in .* is not a table$/],
  ['[worker]\nlabels = ', /line 2, column/],
] as const) {
  test(`a bad value is named, with where it came from: ${toml.replace('\n', ' ')}`, async (t) => {
    const error = await refusal(t, toml);
    t.regex(error.message, message);
    t.truthy(error.hint);
  });
}

test('the error names the variable or the option that a bad value came from', async (t) => {
  const ofVariable = await refusal(t, '', { env: { HOLDFAST_MAX_HELD: 'many' } });
  t.is(ofVariable.message, 'worker.max_held = "many" (from HOLDFAST_MAX_HELD) is not a whole number');
  t.is(ofVariable.hint, 'give a whole number from 1 to 10000');
  const ofOption = await refusal(t, '', { schema: 'x'.repeat(41) });
  t.regex(ofOption.message, /\(from --schema\) has 41 bytes$/);
});

test('a configuration file that is named and not there is an error', (t) => {
  const error = t.throws(() => loadConfig({ file: '/nowhere/holdfast.toml', env: {} }), {
    instanceOf: HoldfastError,
  });
  t.regex(error.message, /^the configuration file "\/nowhere\/holdfast.toml" cannot be read: /);
});

for (const toml of [
  '[control]\nurl = "postgres://user:hunter2#@host/db"',
  '[control]\nurl = "postgres://user:hunter2/db"',
  '[control]\nurl = "postgres://user:hunter2 and more@host:port/db"',
  '[control]\nurl = "postgres://user:hun/ter2@host:port/db"',
  '[control]\nurl = "postgres://user:5432/hunter2@host/db"',
  '[control]\nurl = "postgres://user:5432?hunter2@host/db"',
  '[control]\nurl = "postgres://user:5432#hunter2@host/db"',
  '[control]\nurl = "postgres://user:%68unter2%E0@host/db"',
  '[control]\nurl = "postgres://host:port/db?password=hunter2"',
  '[control]\nurl = "postgres://host:port/db?user=u&sslpassword=hunter2"',
  '[control]\nurl = "postgres:/user:hunter2/db"',
  '[control]\nurl = "jdbc:postgresql://host/db?user=u&password=hunter2"',
  '[control]\nurl = "mysql://user:hunter2@host/db"',
  '[control]\nurl = "user:hunter2@host/db"',
  '[control]\nurl = "host=h password=so hunter2"',
  `[control]\nurl = "host=h password='it\\\\'s hunter2'"`,
  '[control]\nurl = ["postgres://user:hunter2@host/db"]',
  '[control]\nurl = { url = "postgres://user:hunter2@host/db" }',
  '[control]\nurl = "postgres://user:hunter2@host/db',
  '[control]\nurl = "postgres://user:hunter2@host/db" "',
  '[control]\nurl = postgres://user:hunter2@host/db',
  '[control]\n"postgres://user:hunter2@host/db" = 1',
  '[worker]\nlabels = "postgres://user:hunter2@host/db"',
  '[worker]\nlabels = "host=h password=hunter2"',
  '[worker]\nname = "postgres:user:hunter2"',
  '[log]\nlevel = "postgres://user:hunter2/db"',
  '[cluster.main]\nurl = "postgres://user:hunter2@ho st/db"',
  '[cluster.main]\nsync_command = ["rclone", "--pass", "hunter2", 7]',
  '[cluster.main]\nsync_command = "rclone --pass hunter2"',
  '[cluster."postgres://user:hunter2@host/db"]',
]) {
  test(`no error shows a password: ${toml.replace('\n', ' ')}`, async (t) => {
    const { message, hint } = await refusal(t, toml);
    t.notRegex(`${message} ${hint}`, /hunter2|ter2|%68|and more|it.s/);
  });
}

for (const url of [
  'postgres://u:%2F%40%3A@host:5432/db',
  'postgres://user@server:p@ss@host/db?user=user@server&application_name=a@b',
  'postgresql://u:se cret@/db?host=/run/postgresql',
  'postgres://[::1]:5432/%40home',
]) {
  test(`a URL that can be read in one way only is taken: ${url}`, async (t) => {
    t.is((await load(t, '', { databaseUrl: url })).control.url, url);
  });
}
