// Whether this machine can use Debian's packages, and from where: apt's own lists of sources say it.
import { readdirSync, readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';

export type FoundMirror = { obstacle: string } | { mirror: string };

/** Why packages of Debian cannot be had here; or the mirror, without a slash at the end. */
export function debianMirror(): FoundMirror {
  const missing = ['apt-get', 'dpkg-deb'].find((program) => spawnSync(program, ['--version']).error);
  if (missing !== undefined) return { obstacle: `there is no ${missing}` };
  return mirrorIn(contentOf('/etc/os-release'), sourceLists());
}

/** `osRelease`: the content of that file; `lists`: those of apt's lists of sources. */
export function mirrorIn(osRelease: string, lists: readonly string[]): FoundMirror {
  if (!/^ID="?debian"?$/m.test(osRelease)) return { obstacle: 'this system is not Debian' };
  for (const list of lists) {
    const lines = list.split('\n').filter((line) => !line.trimStart().startsWith('#'));
    // In either form of such a file. Other archives are beside it: debian-security.
    const [mirror] = /\bhttps?:\/\/\S+?\/debian(?=\/?(?:\s|$))/.exec(lines.join('\n')) ?? [];
    if (mirror !== undefined) return { mirror };
  }
  return { obstacle: "apt's lists of sources name no mirror of Debian" };
}

function sourceLists(): string[] {
  const directory = '/etc/apt/sources.list.d';
  const names = namesIn(directory).filter((name) => /\.(sources|list)$/.test(name));
  return ['/etc/apt/sources.list', ...names.map((name) => `${directory}/${name}`)].map(contentOf);
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
