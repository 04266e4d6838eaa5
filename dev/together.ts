// Tests that share processes. To start a process, and a server for it, takes longer than most tests of functions and of
// SQL do: their files are divided among a few processes, each of which has one server and runs its tests one after the
// other. To whoever reads the results they are files like all others.
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { add, runAva, type AvaOptions, type Tally } from './ava.ts';
import { root } from './root.ts';
import { sourcesOf, startsPrograms } from './test-selection.ts';
import { titlePrefix } from './title-prefix.ts';

/** As package.json says of files: as many as CI has processors, and one for when the others wait. */
const usualProcesses = 3;

export interface TogetherOptions extends AvaOptions {
  /** How many processes are shared. */
  processes?: number;
  /** Whether scenarios share processes, too: a few of them, as each waits until the one before has ended. */
  scenarios?: boolean;
}

/** Runs these files (no patterns), of which those share processes that can, and the others have one each. */
export async function runTogether(
  files: readonly string[],
  { processes = usualProcesses, scenarios = false, ...options }: TogetherOptions = {},
): Promise<Tally> {
  const sharing = files.filter((file) => canShare(file, scenarios));
  if (sharing.length <= processes) return runAva([...files], options);
  const others = files.filter((file) => !sharing.includes(file));
  const unheard = new Set(sharing);
  const rewrite = (line: string) => {
    const own = line.replace(titleOfGroup, '');
    unheard.delete(fileOf(own, sharing) ?? '');
    return own;
  };
  const tally = await inGroups(sharing, processes, (groups) =>
    runAva([...groups, ...others], { ...options, rewrite }),
  );
  // A process that ended early has failed, and takes no other file's results along. A file without tests fails by itself.
  return unheard.size === 0 ? tally : add(tally, await runAva([...unheard], options));
}

const changesItsProcess = /\bprocess\.(?:env\[[^\]]*\] = |umask\(|chdir\(|on\()/;
/** AVA runs these around the tests of all files of a process. */
const hasHooks = /^\w+\.(?:serial\.)?(?:before|after)/m;

/** Whether the tests of a file need no process of their own. `scenarios`: although they wait for programs most of the time. */
export function canShare(file: string, scenarios = false): boolean {
  if (/^test\/(examples|support)\//.test(file)) return false;
  if (!scenarios && (file.startsWith('test/scenarios/') || startsPrograms(file))) return false;
  const texts = [...sourcesOf(file)].filter((source) => source.startsWith('test/')).map(read);
  return !texts.some((text) => changesItsProcess.test(text) || hasHooks.test(text));
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

/** `run` is given files that each have the tests of one group. */
async function inGroups(
  files: readonly string[],
  processes: number,
  run: (groups: string[]) => Promise<Tally>,
): Promise<Tally> {
  const parent = join(root, 'test', '.together');
  await mkdir(parent, { recursive: true });
  const directory = await mkdtemp(join(parent, 'run-'));
  try {
    const groups: string[] = [];
    for (let number = 0; number < processes; number++) {
      const path = join(directory, `group-${number}.test.ts`);
      const own = files.filter((_file, at) => at % processes === number);
      await writeFile(path, groupOf(own));
      groups.push(relative(root, path));
    }
    return await run(groups);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** As AVA shows it. */
const titleOfGroup = /(?:\.together › )?(?:run-\w+ › )?group-\d+ › /;

function groupOf(files: readonly string[]): string {
  const loader = join(root, 'test/support/load-tests.ts');
  return `import { loadTests } from ${JSON.stringify(loader)};\n\nawait loadTests(${JSON.stringify(files)});\n`;
}

/** The file whose result a line of AVA's shows. */
function fileOf(line: string, files: readonly string[]): string | undefined {
  const [, title] = /^ {2}(?:✔|✘ \[\w+\]:|- \[\w+\]) (.*)/.exec(line) ?? [];
  return title === undefined ? undefined : files.find((file) => title.startsWith(titlePrefix(file)));
}
