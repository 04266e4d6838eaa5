/**
 * npm run bench:control: what the control plane costs, beside PostgreSQL's own functions in the same run.
 * Options: --rounds 200 --history 1000000 --idle 30
 */
import { parseArgs } from 'node:util';
import { addFinishedRequests, dailyQueries } from './control/history.ts';
import { holdMany } from './control/held.ts';
import { idleFor } from './control/idle.ts';
import { compareLatencies } from './control/latency.ts';
import { pollingScripts } from './control/polling-scripts.ts';
import { compareProcedures, openClient } from './control/procedures.ts';
import { makeSetting } from './control/setting.ts';
import { median, percentile, printBars, printSamples, type Bar } from './control/statistics.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    history: { type: 'string', default: '1000000' },
    idle: { type: 'string', default: '30' },
  },
});
const rounds = Number(options.rounds);
const say = (line: string) => process.stdout.write(`${line}\n`);

const setting = await makeSetting();
try {
  say(`PostgreSQL 18, fsync on, ${rounds} rounds each`);
  await compareLatencies(setting, 5);
  const idle = await idleFor(setting, Number(options.idle));
  const { bare, queue } = await compareLatencies(setting, rounds);
  const client = await openClient(setting);
  const procedures = await compareProcedures(setting, client, Math.max(50, rounds / 4));
  await client.close();
  const scripts = await pollingScripts(setting, 3);
  const daily = await dailyQueries(setting, rounds);
  const held = await holdMany(setting, 100);

  await addFinishedRequests(setting, Number(options.history));
  const { queue: queueAfter } = await compareLatencies(setting, rounds);
  const dailyAfter = await dailyQueries(setting, rounds);

  printSamples('Starting', [
    { name: 'pg_backup_start(label, true), bare', values: bare.start },
    { name: 'INSERT committed -> running notified', values: queue.start },
    { name: `${client.name}: pg_backup_start(label), nothing written before`, values: procedures.idle.start },
    { name: `${client.name}: pg_backup_start(label), after the same writes`, values: procedures.bare.start },
    { name: `${client.name}: CALL start_backup(label)`, values: procedures.calls.start },
    ...(scripts === undefined ? [] : [{ name: 'pre-script polling every 5 s', values: scripts.start }]),
  ]);
  printSamples('Stopping', [
    { name: 'pg_backup_stop(false), bare', values: bare.stop },
    { name: 'done -> label read', values: queue.stop },
    { name: `${client.name}: pg_backup_stop(), waits for the archive`, values: procedures.bare.stop },
    { name: `${client.name}: CALL stop_backup(label), likewise`, values: procedures.calls.stop },
    ...(scripts === undefined ? [] : [{ name: 'post-script polling every 5 s', values: scripts.stop }]),
  ]);
  printSamples(`With ${options.history} finished requests`, [
    { name: 'INSERT committed -> running notified', values: queueAfter.start },
    { name: 'done -> label read', values: queueAfter.stop },
    { name: 'backup_status, empty table', values: daily.status },
    { name: 'backup_status', values: dailyAfter.status },
    { name: 'looking for a request to claim, empty table', values: daily.claim },
    { name: 'looking for a request to claim', values: dailyAfter.claim },
  ]);

  const over = (a: number[], b: number[], by: (values: number[]) => number) => by(a) - by(b);
  const p99 = (values: number[]) => percentile(values, 0.99);
  const most = (what: string, value: number, limit: number, unit: string): Bar => ({
    what,
    figure: `${value.toFixed(1)} ${unit}`,
    bar: `<= ${limit} ${unit}`,
    met: value <= limit,
  });
  const ratio = (what: string, after: number[], before: number[]): Bar =>
    most(what, median(after) / median(before), 1.5, 'x');
  const bars: Bar[] = [
    most('INSERT -> running, over the floor, median', over(queue.start, bare.start, median), 10, 'ms'),
    most('INSERT -> running, over the floor, p99', over(queue.start, bare.start, p99), 40, 'ms'),
    most('done -> label, over the floor, median', over(queue.stop, bare.stop, median), 10, 'ms'),
    most(
      'CALL start_backup, over the floor, median',
      over(procedures.calls.start, procedures.bare.start, median),
      100,
      'ms',
    ),
    most(
      'CALL stop_backup, over the floor, median',
      over(procedures.calls.stop, procedures.bare.stop, median),
      100,
      'ms',
    ),
    {
      what: '100 held at once, own label each',
      figure: `${held.right}`,
      bar: '100',
      met: held.right === 100,
    },
    most('memory of the worker meanwhile', held.peakMemory, 150, 'MB'),
    ratio('INSERT -> running, a million rows', queueAfter.start, queue.start),
    ratio('done -> label, a million rows', queueAfter.stop, queue.stop),
    ratio('backup_status, a million rows', dailyAfter.status, daily.status),
    ratio('claim, a million rows', dailyAfter.claim, daily.claim),
    most('idle: queries a second', idle.queriesPerSecond, 1, ''),
    most('idle: memory', idle.memory, 100, 'MB'),
    most('idle: CPU', idle.cpuPercent, 1, '%'),
  ];
  printBars(bars);
  if (bars.some(({ met }) => !met)) process.exitCode = 1;
} finally {
  await setting.end();
}
