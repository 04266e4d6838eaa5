// Runs AVA and counts what it says.
import { spawn } from 'node:child_process';
import { chownSync, mkdirSync } from 'node:fs';
import { enableCompileCache, getCompileCacheDir } from 'node:module';
import { dirname, join } from 'node:path';
import { serverIdentity } from './embedded/server-user.ts';
import { root } from './root.ts';
import { warmUp } from './warm-up.ts';

/** For us, and for what a server calls: below it Node keeps a directory for each user, named by version and user. */
function compileCache(): string {
  enableCompileCache(join(root, 'node_modules', '.cache', 'holdfast-tests'));
  const ours = getCompileCacheDir() ?? '';
  const server = serverIdentity();
  const theirs = ours.replace(/-\d+$/, `-${server?.uid}`);
  if (server !== undefined && theirs !== ours) {
    mkdirSync(theirs, { recursive: true });
    chownSync(theirs, server.uid, server.gid);
  }
  return dirname(ours);
}

/** A file that is the last one may take longer than what is usual between two tests. */
const program = ['node_modules/ava/entrypoints/cli.js', '--no-color', '--timeout=10m'];

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  /** What is said of those that failed, to be read after all else. */
  failures?: string;
}

/** `show`: pass on what AVA prints as it prints it. */
export async function runAva(
  files: string[],
  { env: given, show = false }: { env?: NodeJS.ProcessEnv; show?: boolean } = {},
): Promise<Tally> {
  // A terminal without Unicode would change the marks that are counted.
  // Each file of tests is a process, which would compile the same sources anew.
  // Four threads of V8 for each process only get in each other's way: a tenth less of the processor's time.
  const env = {
    NODE_COMPILE_CACHE: compileCache(),
    NODE_OPTIONS: '--v8-pool-size=1',
    TEST_PATIENCE: '3',
    ...process.env,
    ...given,
    TERM: 'dumb',
  };
  await warmUp(env).catch((error: unknown) => console.log(`the compile cache stays cold: ${String(error)}`));
  return new Promise((resolve, reject) => {
    const ava = spawn(process.execPath, [...program, ...files], {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [ava.stdout, ava.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        if (show) process.stdout.write(text);
      });
    }
    ava.once('error', reject);
    ava.once('close', (status) => {
      const tally = count(output, status);
      resolve(tally.failed > 0 ? { ...tally, failures: failures(output) } : tally);
    });
  });
}

/**
 * AVA gives totals only when all went well. So its marks are counted: one line for each test, and one for each other
 * mishap, such as a file that ended too early. Whatever they say, a run that exits non-zero has failed.
 */
export function count(output: string, status: number | null): Tally {
  const lines = (mark: RegExp) => output.split('\n').filter((line) => mark.test(line)).length;
  const failed = lines(/^ {2}✘ /) + lines(/^ {2}(Uncaught exception|Unhandled rejection) in /);
  return {
    passed: lines(/^ {2}✔ /),
    failed: status === 0 ? failed : Math.max(failed, 1),
    skipped: lines(/^ {2}- \[(skip|todo)\] /),
  };
}

/** What AVA says of the tests that failed: all that follows the list of tests. */
export function failures(output: string): string {
  const end = output.search(/^ {2}─$/m);
  return end < 0 ? output : output.slice(end);
}

export function add(a: Tally, b: Tally): Tally {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
    failures: `${a.failures ?? ''}${b.failures ?? ''}`,
  };
}

export function describe({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
