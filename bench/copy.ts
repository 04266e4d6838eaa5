/**
 * npm run bench:copy: method copy beside pg_basebackup, pgBackRest and tar | zstd, and the restores of what they made, on
 * one server with data that compresses about 2.6:1.
 * Options: --gb 2 (or 1,2,4,8) --rounds 3 --level 1 --jobs 2 --directory DIR
 *   --version 18: of the server, whose programs are Debian's (node dev/debian-programs.ts)
 *   --what backup,restore: what is measured; for a restore alone, each makes one backup
 *   --beside pg_basebackup,pgBackRest,tar: with whom Holdfast is compared; without one, with nobody
 */
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { makeServer, type CopyServer } from './copy/server.ts';
import type { Peer } from './copy/peer.ts';
import { peers } from './copy/peers.ts';
import { printBars, printGrowth, printRound, printTable, type Sample } from './copy/report.ts';
import { measured } from './copy/measure.ts';
import { compareRestores, restorers } from './copy/restore.ts';

const { values: options } = parseArgs({
  options: {
    gb: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    level: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '2' },
    directory: { type: 'string', default: tmpdir() },
    version: { type: 'string', default: '18' },
    what: { type: 'string', default: 'backup,restore' },
    beside: { type: 'string', default: 'pg_basebackup,pgBackRest,tar' },
  },
});

const measuresBackups = options.what.includes('backup');
const compared = ['Holdfast', ...options.beside.split(',').filter((name) => name !== '')];
const isCompared = ({ name }: { name: string }) => compared.some((one) => name.includes(one));

const growth: { gb: number; samples: Sample[] }[] = [];
for (const gb of options.gb.split(',').map(Number)) {
  const server = await makeServer(options.directory, gb, options.version);
  try {
    const all = peers(server, Number(options.level), Number(options.jobs)).filter(isCompared);
    const samples = await compare(server, all);
    if (measuresBackups) {
      growth.push({ gb, samples });
      printTable(samples, { gb, level: options.level, jobs: options.jobs, rounds: options.rounds });
      printBars(samples);
    }
    const restored = restorers(server, Number(options.jobs)).filter(isCompared);
    if (options.what.includes('restore')) await compareRestores(server, restored, Number(options.rounds));
  } finally {
    await server.remove();
  }
}
if (growth.length > 1) printGrowth(growth);

/** In turns, so that whatever else the machine does is shared by all; the first round is not counted. */
async function compare(server: CopyServer, all: Peer[]): Promise<Sample[]> {
  const samples = all.map(({ name }): Sample => ({ name, runs: [], stored: 0 }));
  for (const peer of all) await peer.prepare?.();
  const rounds = measuresBackups ? Number(options.rounds) : 0;
  for (let round = 0; round <= rounds; round += 1) {
    for (const [index, peer] of all.entries()) {
      await peer.clear();
      await server.settle();
      const run = await measured(() => peer.backUp(), peer.pid, [server.pid]);
      const sample = samples[index];
      if (sample === undefined) continue;
      sample.stored = await peer.storedBytes();
      if (round === 0) await peer.warmedUp?.();
      if (round > 0) sample.runs.push({ ...run, bytes: server.bytes });
      printRound(round, peer.name, run, server.bytes);
    }
  }
  for (const peer of all) await peer.end?.();
  return samples;
}
