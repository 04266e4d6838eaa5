/**
 * Restores beside each other: each from the backup that it made of the same server, into an empty directory, until
 * everything is on the disk, with two processes or threads where there is a setting for them.
 */
import { join } from 'node:path';
import { median } from '../control/statistics.ts';
import { measured, type Run } from './measure.ts';
import { pgBackRestOptions, tarFile } from './peers.ts';
import type { CopyServer } from './server.ts';
import { asPostgres, sh } from './shell.ts';
import { program } from '../programs.ts';

const say = (line: string) => process.stdout.write(`${line}\n`);

interface Restorer {
  name: string;
  restore: (into: string) => Promise<void>;
}

interface Sample {
  name: string;
  runs: Run[];
}

/** Who restores; the names say whose backup it is. */
export function restorers(server: CopyServer, jobs: number): Restorer[] {
  const repository = join(server.directory, 'repository');
  return [
    {
      name: `Holdfast (--jobs ${jobs})`,
      restore: async (into) =>
        void (await asPostgres(
          `XDG_CACHE_HOME=${server.directory}/cache ${process.execPath} ${program} restore --repository ${repository} --to ${into} --jobs ${jobs} --target-immediate`,
        )),
    },
    {
      name: `pgBackRest (process-max=${jobs})`,
      restore: async (into) =>
        void (await asPostgres(
          `mkdir -m 700 ${into}; pgbackrest ${pgBackRestOptions(server)} --pg1-path=${into} --process-max=${jobs} restore`,
        )),
    },
    {
      name: 'zstd -d \\| tar -x, then sync',
      restore: async (into) =>
        void (await asPostgres(
          `mkdir -m 700 ${into}; zstd -dcq ${tarFile(server)} | tar -C ${into} -xpf -; sync -f ${into}`,
        )),
    },
  ];
}

/** In turns; the first round is not counted. The backups have to be there. */
export async function compareRestores(
  server: CopyServer,
  all: readonly Restorer[],
  rounds: number,
): Promise<void> {
  const samples = all.map(({ name }): Sample => ({ name, runs: [] }));
  const into = join(server.directory, 'restored');
  for (let round = 0; round <= rounds; round += 1) {
    for (const [index, { name, restore }] of all.entries()) {
      await sh(`rm -rf ${into}`);
      await server.settle();
      const run = await measured(() => restore(into));
      if (round > 0) samples[index]?.runs.push(run);
      process.stderr.write(
        `restore ${round}: ${name}: ${run.seconds.toFixed(2)} s, ${run.cpu.toFixed(2)} s of processors, ${run.peak.toFixed(0)} MB\n`,
      );
    }
  }
  await sh(`rm -rf ${into}`);
  print(samples, server.bytes);
}

function print(samples: Sample[], bytes: number): void {
  const [ours, ...others] = samples.map(({ name, runs }) => ({
    name,
    seconds: median(runs.map((run) => run.seconds)),
    peak: Math.max(...runs.map((run) => run.peak)),
    cpu: median(runs.map((run) => run.cpu)),
  }));
  if (ours === undefined) return;
  say('\nRestore:\n');
  say('| | MB/s | seconds | Holdfast is | of processors | peak memory |');
  say('| --- | ---: | ---: | ---: | ---: | ---: |');
  for (const { name, seconds, peak, cpu } of [ours, ...others]) {
    const rate = (bytes / 1e6 / seconds).toFixed(0);
    const times = (seconds / ours.seconds).toFixed(2);
    say(
      `| ${name} | ${rate} | ${seconds.toFixed(2)} | ${times} × | ${cpu.toFixed(2)} s | ${peak.toFixed(0)} MB |`,
    );
  }
  say('\n| | figure | bar | |\n| --- | ---: | ---: | --- |');
  for (const { name, seconds } of others) {
    const ratio = seconds / ours.seconds;
    const least = name.startsWith('pgBackRest') ? 1.5 : 1;
    const met = ratio >= least ? 'met' : 'MISSED';
    say(`| against ${name} | ${ratio.toFixed(2)} × | at least ${least} × | ${met} |`);
  }
  say(`| peak memory | ${ours.peak.toFixed(0)} MB | under 200 MB | ${ours.peak < 200 ? 'met' : 'MISSED'} |`);
}
