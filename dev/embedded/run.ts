// Runs one program to its end, as whoever owns the servers or as ourselves.
import { spawn } from 'node:child_process';

export interface Identity {
  uid: number;
  gid: number;
}

export interface RunOptions {
  as?: Identity | undefined;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
}

/** Resolves to what it printed on standard output; rejects with the command and what it said on standard error. */
export function run(command: string, args: string[], { as, cwd, env }: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      // The current directory may be one that the other user cannot enter.
      cwd: cwd ?? '/',
      env: env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...as,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', (error) => reject(new Error(`could not run ${command}: ${error.message}`)));
    child.once('close', (code, signal) => {
      if (code === 0) resolve(stdout);
      else
        reject(new Error(`${command} ${args.join(' ')} ended with ${signal ?? code}\n${stderr || stdout}`));
    });
  });
}
