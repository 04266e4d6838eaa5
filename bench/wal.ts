/**
 * npm run bench:wal: segments a second, archived by a real archiver and fetched as recovery does, beside pgBackRest.
 * Options: --segments 32 --rounds 3 --only push (or fetch) --peers <a pattern for their names>
 * --data <a script for psql that fills a database; it gets -v gb=…>
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { serverIdentity } from '../dev/embedded/server-user.ts';
import { median } from './control/statistics.ts';
import { fetchAll } from './wal/fetching.ts';
import { fetchPeers, pushPeers, type Peer } from './wal/peers.ts';
import { inOwnNamespace, type Taken } from './wal/processor-time.ts';
import { pushAll } from './wal/pushing.ts';
import { makeSetting, type Setting } from './wal/setting.ts';

const { values: options } = parseArgs({
  options: {
    segments: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    peers: { type: 'string', default: '' },
    data: { type: 'string', default: fileURLToPath(new URL('data.sql', import.meta.url)) },
  },
});
const segments = Number(options.segments);
const rounds = Number(options.rounds);
const say = (line: string) => process.stdout.write(`${line}\n`);

inOwnNamespace();
const setting = await makeSetting(segments, options.data);
try {
  say(
    `PostgreSQL ${setting.server.version}, ${segments} segments of 16 MB, zstd level 1, medians of ${rounds} rounds`,
  );
  say(`as ${serverIdentity() ? "the server's own user" : 'ourselves'}, fsync on`);
  if (isWanted('push')) report('Archiving', await compare(pushPeers, (peer) => pushAll(setting, peer)));
  if (isWanted('fetch')) report('Fetching', await compare(fetchPeers, (peer) => fetchAll(setting, peer)));
} finally {
  await setting.end();
}

function isWanted(part: string): boolean {
  return options.only === undefined || options.only === part;
}

interface Result extends Peer {
  perSecond: number;
  /** Milliseconds of processor time for each segment; NaN where it cannot be counted. */
  processor: number;
}

/** In turns, so that a machine that is busy for a while is so for all. */
async function compare(
  peersOf: (setting: Setting) => Peer[],
  measure: (peer: Peer) => Promise<Taken>,
): Promise<Result[]> {
  const peers = peersOf(setting).filter(({ name }) => new RegExp(options.peers).test(name));
  const taken = new Map<string, Taken[]>(peers.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1)
    for (const peer of peers) taken.get(peer.name)?.push(await measure(peer));
  return peers.map((peer) => {
    const its = taken.get(peer.name) ?? [];
    return {
      ...peer,
      perSecond: segments / median(its.map(({ seconds }) => seconds)),
      processor: (median(its.map(({ processor }) => processor ?? Number.NaN)) * 1000) / segments,
    };
  });
}

function report(title: string, results: Result[]): void {
  say(`\n| ${title} | segments/s | ms of processor each | beside | ratio | of processor time |`);
  say('| --- | ---: | ---: | --- | ---: | ---: |');
  for (const { name, bar, perSecond, processor } of results) {
    const peer = results.find((other) => other.name === bar);
    const ratio = peer ? (perSecond / peer.perSecond).toFixed(2) : '';
    const ofProcessor = peer ? (peer.processor / processor).toFixed(2) : '';
    say(
      `| ${name} | ${perSecond.toFixed(1)} | ${processor.toFixed(0)} | ${bar ?? ''} | ${ratio} | ${ofProcessor} |`,
    );
  }
}
