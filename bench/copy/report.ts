/** What was measured, as Markdown. */
import { median } from '../control/statistics.ts';
import type { Run } from './measure.ts';

export interface Sample {
  name: string;
  runs: (Run & { bytes: number })[];
  /** Bytes that the backup takes. */
  stored: number;
}

const say = (line: string) => process.stdout.write(`${line}\n`);

export function printRound(round: number, name: string, { seconds, peak, cpu }: Run, bytes: number): void {
  const counted = round === 0 ? 'warm-up' : `round ${round}`;
  process.stderr.write(
    `${counted}: ${name}: ${seconds.toFixed(2)} s, ${(bytes / 1e6 / seconds).toFixed(0)} MB/s, ${cpu.toFixed(2)} s of processors, ${peak.toFixed(0)} MB\n`,
  );
}

export function printTable(
  samples: Sample[],
  { gb, level, jobs, rounds }: { gb: number; level: string; jobs: string; rounds: string },
): void {
  say(`\n${gb} GB, zstd level ${level}, ${jobs} processes or threads, ${rounds} rounds in turns, medians:\n`);
  say('| | MB/s | seconds | Holdfast is | of processors | stored | peak memory |');
  say('| --- | ---: | ---: | ---: | ---: | ---: | ---: |');
  for (const sample of samples) {
    const cells = [
      sample.name,
      rate(sample).toFixed(0),
      median(sample.runs.map(({ seconds }) => seconds)).toFixed(2),
      `${(rate(samples[0]) / rate(sample)).toFixed(2)} ×`,
      `${median(sample.runs.map(({ cpu }) => cpu)).toFixed(2)} s`,
      `${(sample.stored / 2 ** 20).toFixed(0)} MB`,
      `${peakOf(sample).toFixed(0)} MB`,
    ];
    say(`| ${cells.join(' | ')} |`);
  }
}

export function printBars(samples: Sample[]): void {
  const [ours, ...others] = samples;
  const against = ([name, least]: [string, number]): [string, number, boolean, string][] => {
    const other = others.find((sample) => sample.name.includes(name));
    if (other === undefined) return [];
    const ratio = rate(ours) / rate(other);
    return [[`against ${name}`, ratio, ratio >= least, `at least ${least} ×`]];
  };
  const bars: [string, number, boolean, string][] = [
    ...against(['pgBackRest', 1.5]),
    ...against(['pg_basebackup', 1]),
    ...against(['tar', 0.85]),
    ['peak memory', peakOf(ours), peakOf(ours) < 150, 'under 150 MB'],
  ];
  say('\n| | figure | bar | |\n| --- | ---: | ---: | --- |');
  for (const [what, figure, met, bar] of bars)
    say(`| ${what} | ${figure.toFixed(2)} | ${bar} | ${met ? 'met' : 'MISSED'} |`);
}

export function printGrowth(sizes: { gb: number; samples: Sample[] }[]): void {
  say('\n| GB | seconds | seconds a GB | peak memory |\n| ---: | ---: | ---: | ---: |');
  for (const { gb, samples } of sizes) {
    const seconds = median(samples[0]?.runs.map((run) => run.seconds) ?? []);
    say(
      `| ${gb} | ${seconds.toFixed(2)} | ${(seconds / gb).toFixed(2)} | ${peakOf(samples[0]).toFixed(0)} MB |`,
    );
  }
}

/** MB a second, of the files' size. */
function rate(sample: Sample | undefined): number {
  return median(sample?.runs.map(({ bytes, seconds }) => bytes / 1e6 / seconds) ?? []);
}

function peakOf(sample: Sample | undefined): number {
  return Math.max(...(sample?.runs.map((run) => run.peak) ?? []));
}
