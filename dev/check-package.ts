// What users get: the packed build, installed into an empty directory and run on the oldest Node that is promised.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { runProcess, startProcess, type Finished } from './harness/children.ts';
import { type Tally } from './ava.ts';
import { root } from './root.ts';
import { createCluster } from './embedded/cluster.ts';
import { run } from './embedded/run.ts';

const tooOld = '20.19.0';

export async function checkPackage(): Promise<Tally> {
  const cleanup: (() => Promise<void> | void)[] = [];
  const later = { teardown: (undo: () => Promise<void> | void) => void cleanup.unshift(undo) };
  const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
  const check = async (what: string, work: () => Promise<void>) => {
    try {
      await work();
      console.log(`  ok: ${what}`);
      tally.passed++;
    } catch (error) {
      console.log(`  not ok: ${what}\n`, error);
      tally.failed++;
    }
  };
  try {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-package-'));
    later.teardown(() => rm(directory, { recursive: true }));
    const { engines } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
      engines: { node: string };
    };
    const [oldest, older, program] = await Promise.all([
      installNode(directory, engines.node.replace(/^>=/, '')),
      installNode(directory, tooOld),
      installPackage(directory),
    ]);
    const holdfast = (args: string[], url?: string) =>
      runProcess(program, args, { env: environment(oldest, url) });

    await check(`--version and --help on Node ${engines.node}`, async () => {
      succeeded(await holdfast(['--version']), /^\d+\.\d+\.\d+/);
      succeeded(await holdfast(['--help']), /worker/);
    });
    await check(`Node ${tooOld} is refused in one line`, async () => {
      const { status, stdout, stderr } = await runProcess(program, ['--version'], {
        env: environment(older),
      });
      assert.equal(status, 2);
      assert.equal(stdout, '');
      assert.match(stderr, /^[^\n]*Node[^\n]*\n$/);
    });
    await check('install, worker, start and stop', async () => {
      const cluster = await createCluster();
      later.teardown(() => cluster.remove());
      await cluster.start();
      succeeded(await holdfast(['install'], cluster.url()));

      const env = { ...environment(oldest, cluster.url()), HOLDFAST_LABELS: join(directory, 'labels') };
      const worker = await startProcess(later, program, ['worker'], { env });
      await worker.untilLine(/\bready\b/);
      succeeded(await holdfast(['start', 'packed'], cluster.url()));
      succeeded(await holdfast(['stop', 'packed'], cluster.url()));
      succeeded(await holdfast(['status', '--json'], cluster.url()));
      worker.kill('SIGTERM');
      assert.equal((await worker.exited).status, 0, worker.output());
    });
  } finally {
    for (const undo of cleanup) await undo();
  }
  return tally;
}

/** The directory with npm's binary of one Node version. */
async function installNode(directory: string, version: string): Promise<string> {
  const exact = version.split('.').length === 2 ? `${version}.0` : version;
  const prefix = join(directory, `node-${exact}`);
  await npmInstall(prefix, `node@${exact}`);
  return join(prefix, 'node_modules', 'node', 'bin');
}

async function installPackage(directory: string): Promise<string> {
  await run('npm', ['pack', '--silent', '--pack-destination', directory], { cwd: root });
  const [archive] = (await readdir(directory)).filter((name) => name.endsWith('.tgz'));
  const prefix = join(directory, 'installed');
  await npmInstall(prefix, join(directory, archive ?? 'no package'));
  return join(prefix, 'node_modules', '.bin', 'holdfast');
}

async function npmInstall(prefix: string, what: string): Promise<void> {
  await mkdir(prefix);
  await writeFile(join(prefix, 'package.json'), '{ "private": true }\n');
  const quietly = ['--silent', '--no-audit', '--no-fund', '--prefer-offline'];
  await run('npm', ['install', ...quietly, what], { cwd: prefix });
}

/** The chosen Node comes first; none of the caller's own databases and settings. */
function environment(node: string, url?: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(PG|HOLDFAST_|DATABASE_URL$)/.test(name),
  );
  return {
    ...Object.fromEntries(inherited),
    PATH: `${node}${delimiter}${process.env['PATH']}`,
    ...(url !== undefined && { DATABASE_URL: url }),
  };
}

function succeeded({ status, stdout, stderr }: Finished, said = /(?:)/): void {
  assert.equal(status, 0, stderr);
  assert.match(stdout, said);
}
