// AVA skips a test where it is declared, not while it runs: what a test needs is therefore said there.
//
//   const test = testWhen(noOwnCluster, noPsql);
//   test('a restarted server …', async (t) => { … });
import test, { type ImplementationFn } from 'ava';

type Declare = (title: string, implementation: ImplementationFn<[]>) => void;

/** AVA's test(), or, where there is a reason not to run, one that skips and puts the first reason into the title. */
export function testWhen(...obstacles: (string | undefined)[]): Declare & { serial: Declare } {
  const reason = obstacles.find((obstacle) => obstacle !== undefined);
  if (reason === undefined) return test;
  const skip: Declare = (title, implementation) => test.skip(`${title} [skipped: ${reason}]`, implementation);
  return Object.assign(skip, { serial: skip });
}
