/** Shell commands, as root or as the server's user. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

export async function sh(command: string, input = ''): Promise<string> {
  const child = spawn('bash', ['-o', 'pipefail', '-c', command], {
    cwd: '/',
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined); // a program that does not read it has no fault
  child.stdin.end(input);
  const [output, errors, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number]>,
  ]);
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${errors}${output}`);
  return output.trim();
}

export function asPostgres(command: string): Promise<string> {
  return sh(`setpriv --reuid postgres --regid postgres --init-groups bash -o pipefail -c ${quoted(command)}`);
}

export function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Bytes of all that is below a directory. */
export async function sizeOf(path: string): Promise<number> {
  return Number((await sh(`du -sb ${path}`)).split('\t')[0]);
}
