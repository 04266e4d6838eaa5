/** `holdfast adopt`: puts this control database in charge. The command shows the consequences first. */
import { createInterface } from 'node:readline/promises';
import { InvalidArgumentError, type Command } from 'commander';
import { withControl } from '../../control/control-client.ts';
import type { Connection } from '../../database/connection.ts';
import {
  adopt,
  adoptRepository,
  controlIdentity,
  requireMayAdopt,
  repositoryProblems,
  schedulesThatFollow,
  type DatabaseOrigin,
  type RepositoryProblem,
  type WaitingSchedule,
} from '../../control/control-identity.ts';
import { clustersWithPolicy } from '../../control/retention-rows.ts';
import { HoldfastError } from '../../errors.ts';
import { nextRun } from '../../schedules/next-run.ts';
import { plain } from '../../plain.ts';
import { configFrom, controlFrom, type GlobalOptions } from '../options.ts';
import { asSql, printJson, printLines } from '../render/output.ts';

interface Options extends GlobalOptions {
  yes: boolean;
  /** By cluster. */
  repositoryId?: Map<string, string>;
}

interface Consequences {
  identity: DatabaseOrigin;
  schedules: (WaitingSchedule & { nextRun: Date | null })[];
  /** The clusters with a retention policy that is enabled. */
  policies: string[];
  /** `given` means that `--repository-id` names this repository as the cluster's from now on. */
  repositories: { name: string; id: string | null; problem: string | null; given: boolean }[];
}

/** Adds `holdfast adopt` to the program. */
export function addAdopt(program: Command): void {
  program
    .command('adopt')
    .description(
      'put this control database in charge, after it was restored, cloned or promoted: says what follows, and asks',
    )
    .option(
      '--repository-id <cluster=id>',
      'give that cluster the repository with this id, as its owner.json has it, and take that one over; can be repeated',
      repositoryIdOption,
    )
    .option('--yes', 'do not ask', false)
    .action(async (_: object, command: Command) => {
      const options = command.optsWithGlobals<Options>();
      const config = configFrom(options);
      const control = controlFrom(config, 'adopt');
      const given = options.repositoryId ?? new Map<string, string>();
      const consequences = await withControl(control, async (db) => {
        await requireMayAdopt(db, control.schema);
        return look(db, given);
      });
      const lines = linesAbout(consequences);
      if (options.json !== true) await printLines(lines);
      else if (!options.yes) await printJson({ ...asJson(consequences), adopted: null });
      if (!options.yes) await askForYes(options.json === true);
      const origin = await withControl(control, (db) =>
        db.transaction(async () => {
          for (const [cluster, id] of given) await adoptRepository(db, cluster, id);
          return adopt(db);
        }),
      );
      if (options.json === true) await printJson({ ...asJson(consequences), adopted: origin });
      else await printLines([`this control database, of origin ${origin}, is in charge now`]);
    });
}

function repositoryIdOption(text: string, before = new Map<string, string>()): Map<string, string> {
  const [, cluster = '', id = ''] = /^(.+)=([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i.exec(text) ?? [];
  if (cluster === '')
    throw new InvalidArgumentError('it is not a cluster and an id, such as main=6b1f…, as owner.json has it');
  return new Map([...before, [cluster, id.toLowerCase()]]);
}

async function look(db: Connection, given: ReadonlyMap<string, string>): Promise<Consequences> {
  const schedules = await schedulesThatFollow(db);
  const now = new Date();
  return {
    identity: await controlIdentity(db),
    schedules: schedules.map((one) => ({ ...one, nextRun: whenNext(one, now) })),
    policies: await clustersWithPolicy(db),
    repositories: withGiven(await repositoryProblems(db), given),
  };
}

function withGiven(
  repositories: readonly RepositoryProblem[],
  given: ReadonlyMap<string, string>,
): Consequences['repositories'] {
  const unknown = [...given.keys()].find((cluster) => !repositories.some(({ name }) => name === cluster));
  if (unknown !== undefined)
    throw new HoldfastError('usage', `cluster "${unknown}" does not exist`, {
      code: 'no_such_cluster',
      hint: `choose one of: ${repositories.map(({ name }) => name).join(', ')}`,
    });
  return repositories.map((one) => {
    const id = given.get(one.name);
    return id === undefined ? { ...one, given: false } : { name: one.name, id, problem: null, given: true };
  });
}

function whenNext({ cron, timeZone }: WaitingSchedule, now: Date): Date | null {
  try {
    const next = nextRun(cron, timeZone, now.getTime());
    return next === undefined ? null : new Date(next);
  } catch {
    return null; // the schedule itself shows the error
  }
}

function linesAbout({ identity, schedules, policies, repositories }: Consequences): string[] {
  const { confirmed, origin, confirmedOrigin, confirmedBy, confirmedAt } = identity;
  const since = `${confirmedOrigin}, confirmed by ${plain(confirmedBy)} at ${confirmedAt.toISOString()}`;
  const known = repositories.filter(({ id }) => id !== null);
  return [
    confirmed
      ? `this control database is in charge already: its origin is ${since}`
      : `this control database is of origin ${origin}; in charge was ${since}`,
    'What follows when this control database is adopted:',
    ...(schedules.length === 0 ? ['  no schedule is enabled'] : []),
    ...schedules.map(
      ({ name, kind, cluster, nextRun: at }) =>
        `  schedule ${plain(name)} runs: ${kind} of cluster ${cluster}, next at ${at?.toISOString() ?? 'a time that is not known'}`,
    ),
    ...policies.map((cluster) => `  backups of cluster ${cluster} expire by its retention policy`),
    ...(policies.length === 0 ? ['  nothing expires: no retention policy is enabled'] : []),
    ...known.map(
      ({ name, id, problem, given }) =>
        `  the repository of cluster ${name} (id ${id}${given ? ', from now on' : ''}) is taken over from whoever has used it${problem === null ? '' : `, though ${plain(problem)}`}`,
    ),
    ...(known.length === 0
      ? ['  no repository is known: one that has been used is taken over with --repository-id only']
      : []),
    'The control database that was in charge before must be off, or have another repository.',
  ];
}

/**
 * Asks the user to confirm. With `--json` there is no question, because a question would be in the middle of
 * the JSON.
 * @throws HoldfastError `not_confirmed`
 */
async function askForYes(isJson: boolean): Promise<void> {
  if (isJson || !process.stdin.isTTY || !process.stdout.isTTY) {
    const why = isJson
      ? 'with --json nobody is asked whether to adopt this control database'
      : 'there is no terminal to ask whether to adopt this control database';
    throw new HoldfastError('usage', why, {
      code: 'not_confirmed',
      hint: 'run "holdfast adopt --yes" if all of that is right',
    });
  }
  const questions = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await questions
    .question('Type yes to adopt this control database: ')
    .finally(() => questions.close());
  if (answer.trim() === 'yes') return;
  throw new HoldfastError('failed', 'this control database was not adopted', {
    code: 'not_confirmed',
    hint: 'type yes in full',
  });
}

function asJson({ identity, schedules, policies, repositories }: Consequences): object {
  return {
    ...asSql(identity),
    schedules: schedules.map(asSql),
    policies,
    repositories: repositories.map(asSql),
  };
}
