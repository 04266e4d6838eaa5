// Whether this machine can use Debian's packages, and from where: apt's own lists of sources say it.
import { readdirSync, readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';

/** Why packages of Debian cannot be had here; or the mirror, without a slash at the end. */
export function debianMirror(): { obstacle: string } | { mirror: string } {
  if (!isDebian()) return { obstacle: 'this system is not Debian' };
  const missing = ['apt-get', 'dpkg-deb'].find((program) => spawnSync(program, ['--version']).error);
  if (missing !== undefined) return { obstacle: `there is no ${missing}` };
  const mirror = sourceLists()
    .map(mirrorIn)
    .find((found) => found !== undefined);
  return mirror === undefined ? { obstacle: "apt's lists of sources name no mirror of Debian" } : { mirror };
}

function isDebian(): boolean {
  return /^ID="?debian"?$/m.test(contentOf('/etc/os-release'));
}

function sourceLists(): string[] {
  const directory = '/etc/apt/sources.list.d';
  const names = namesIn(directory).filter((name) => /\.(sources|list)$/.test(name));
  return ['/etc/apt/sources.list', ...names.map((name) => `${directory}/${name}`)].map(contentOf);
}

/** The first address that ends in /debian, in either form of such a file. Other archives are beside it: debian-security. */
function mirrorIn(list: string): string | undefined {
  const lines = list.split('\n').filter((line) => !line.trimStart().startsWith('#'));
  return /\bhttps?:\/\/\S+?\/debian(?=\/?(?:\s|$))/.exec(lines.join('\n'))?.[0];
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
