// Runs AVA and counts what it says.
import { spawn } from 'node:child_process';
import { installedPackage } from './build.ts';
import { compileCache } from './harness/compile-cache.ts';
import { root } from './root.ts';
import { warmUp } from './warm-up.ts';

/** A file that is the last one may take longer than what is usual between two tests. */
const program = ['node_modules/ava/entrypoints/cli.js', '--no-color', '--timeout=10m'];

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  /** What is said of those that failed, to be read after all else. */
  failures?: string;
}

/** Of nothing. */
export const none: Tally = { passed: 0, failed: 0, skipped: 0 };

export interface AvaOptions {
  env?: NodeJS.ProcessEnv;
  /** Pass on what AVA prints as it prints it, line by line. */
  show?: boolean;
  /** Files at a time; default: as package.json says. */
  concurrency?: number;
  /** What is shown and counted in the place of a line. */
  rewrite?: (line: string) => string;
}

/** Runs these files; none: all. */
export async function runAva(
  files: string[],
  { env: given, show = false, concurrency, rewrite = (line) => line }: AvaOptions = {},
): Promise<Tally> {
  // A terminal without Unicode would change the marks that are counted.
  // Each file of tests is a process, which would compile the same sources anew.
  // Four threads of V8 for each process only get in each other's way: a tenth less of the processor's time.
  const env = {
    NODE_COMPILE_CACHE: compileCache(),
    NODE_OPTIONS: '--v8-pool-size=1',
    // What users run. It starts in less time than the sources.
    TEST_PACKAGE: await installedPackage(),
    TEST_PATIENCE: '3',
    ...process.env,
    ...given,
    TERM: 'dumb',
  };
  await warm(env);
  const more = concurrency === undefined ? [] : [`--concurrency=${concurrency}`];
  return new Promise((resolve, reject) => {
    const ava = spawn(process.execPath, [...program, ...more, ...files], {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let unfinished = '';
    const take = (text: string) => {
      output += text;
      if (show) process.stdout.write(text);
    };
    for (const stream of [ava.stdout, ava.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        const lines = `${unfinished}${text}`.split('\n');
        unfinished = lines.pop() ?? '';
        for (const line of lines) take(`${rewrite(line)}\n`);
      });
    }
    ava.once('error', reject);
    ava.once('close', (status) => {
      take(rewrite(unfinished));
      const tally = count(output, status);
      resolve(tally.failed > 0 ? { ...tally, failures: failures(output) } : tally);
    });
  });
}

let warming: Promise<void> | undefined;

/** Once, whoever asks for it at the same time. */
function warm(env: NodeJS.ProcessEnv): Promise<void> {
  warming ??= warmUp(env).catch((error: unknown) =>
    console.log(`the compile cache stays cold: ${String(error)}`),
  );
  return warming;
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

/** What AVA says of the tests that failed: all that follows the list of tests, and of the list what is no test. */
export function failures(output: string): string {
  const end = output.search(/^ {2}─$/m);
  if (end < 0) return output;
  const mishaps = output.slice(0, end).match(/^ {2}✘ (?!\[).*\n/gm) ?? [];
  return `${mishaps.join('')}${output.slice(end)}`;
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
