// `holdfast verify`, as the worker's login, and what it says of each backup.
import { holdfast } from './process.ts';
import type { RepositoryScene } from './repository-scene.ts';

export interface Found {
  backup: string;
  ok: boolean;
  problems: string[];
  files: number;
  segments: number;
  recorded: boolean;
}

export async function verify(scene: RepositoryScene, ...args: string[]) {
  const command = ['verify', '--json', '--repository', scene.repository, ...args];
  const { status, stdout, stderr } = await holdfast(command, { url: scene.workerLogin.url });
  if (stdout === '') throw new Error(`verify ended with ${status}: ${stderr}`);
  return { status, found: JSON.parse(stdout) as Found[] };
}
