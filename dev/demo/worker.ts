// The holdfast program, as it is in a checkout.
import { fileURLToPath } from 'node:url';
import { runProcess, startProcess, type RunningProcess } from '../../test/support/children.ts';

const program = fileURLToPath(new URL('../../bin/holdfast.js', import.meta.url));

export interface Where {
  url: string;
  /** The label directory. */
  labels: string;
}

/** Runs one command to its end. @throws Error with what it said, unless it exits with 0 */
export async function holdfast(args: string[], where: Where): Promise<string> {
  const { status, signal, stdout, stderr } = await runProcess(process.execPath, [program, ...args], {
    env: environment(where),
  });
  if (status !== 0)
    throw new Error(`holdfast ${args.join(' ')} ended with ${signal ?? status}: ${stderr}${stdout}`);
  return stdout;
}

export async function startWorker(
  where: Where,
  onEnd: (stop: () => void | Promise<void>) => void,
): Promise<RunningProcess> {
  const worker = await startProcess({ teardown: onEnd }, process.execPath, [program, 'worker'], {
    env: environment(where),
  });
  await worker.untilLine(/\bready\b/);
  return worker;
}

/** Nobody's own databases and settings. */
function environment({ url, labels }: Where): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(PG|HOLDFAST_|DATABASE_URL$)/.test(name),
  );
  return { ...Object.fromEntries(inherited), DATABASE_URL: url, HOLDFAST_LABELS: labels };
}
