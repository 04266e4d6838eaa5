import test from 'ava';
import { RequestRun, type RunContext } from '../../src/backup/request-run.ts';

// AVA fails where a rejection is not handled, as the worker does.
test('what fails after its request was ended is of no account, whenever that was', async (t) => {
  const reason = new Error('cancelled');
  for (const endsFirst of [true, false]) {
    const run = new RequestRun(1, {} as RunContext);
    const { promise, reject } = Promise.withResolvers<never>();
    if (endsFirst) run.end(reason);
    const waiting = run.raceAbort(promise);
    run.end(reason);
    t.is(await t.throwsAsync(waiting), reason);
    reject(new Error('the copy was stopped'));
    await new Promise(setImmediate);
  }
});

test('a state that was seen before the wait for it ends the wait', async (t) => {
  const run = new RequestRun(1, {} as RunContext);
  run.onRowState('done');
  t.is(await run.waitForState('done'), undefined);
});
