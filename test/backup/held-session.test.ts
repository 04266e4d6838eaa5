import test from 'ava';
import type { BackupSession } from '../../src/backup/backup-session.ts';
import { HeldSession } from '../../src/backup/held-session.ts';
import { RequestRun, type RunContext } from '../../src/backup/request-run.ts';

/** A held session, and what it has released, in that order. `close`: what closing the session does. */
function heldSession({ close = async () => undefined }: { close?: () => Promise<void> } = {}) {
  const released: string[] = [];
  const context = {
    onSessionReleased: () => released.push(`slot, held: ${run.holdsSession}`),
    control: { releaseProxyLock: async (id: number) => void released.push(`proxy lock ${id}`) },
  };
  const run = new RequestRun(7, context as unknown as RunContext);
  const held = new HeldSession(run);
  const session = { close: () => close().finally(() => released.push('session')) };
  return { run, held, session: session as unknown as BackupSession, released };
}

const all = ['session', 'slot, held: false', 'proxy lock 7'];

test('the session, the slot and the proxy lock are released in this order, once', async (t) => {
  const { run, held, session, released } = heldSession();
  t.true(run.holdsSession);
  {
    await using owner = held;
    owner.own(session);
    await Promise.all([owner.release(), owner.release()]);
    t.true(owner.isReleased);
  }
  t.deepEqual(released, all);
});

test('a slot without a session is released at the end of the block, also by an error', async (t) => {
  const { held, released } = heldSession();
  const take = async () => {
    await using _ = held;
    throw new Error('no connection');
  };
  await t.throwsAsync(take(), { message: 'no connection' });
  t.deepEqual(released, all.slice(1));
});

test('a session that cannot be closed keeps neither the slot nor the proxy lock', async (t) => {
  const { held, session, released } = heldSession({ close: () => Promise.reject(new Error('lost')) });
  held.own(session);
  await t.throwsAsync(held.release(), { message: 'lost' });
  t.deepEqual(released, all);
});

test('an outcome that is written comes before the release, one that cannot be written is thrown after it', async (t) => {
  const written = heldSession();
  written.held.own(written.session);
  const { promise, resolve } = Promise.withResolvers<void>();
  const ended = written.held.releaseAfter(promise);
  await new Promise(setImmediate);
  t.deepEqual(written.released, []);
  resolve();
  await ended;
  t.deepEqual(written.released, all);

  const failed = heldSession();
  failed.held.own(failed.session);
  await t.throwsAsync(failed.held.releaseAfter(Promise.reject(new Error('the row is locked'))), {
    message: 'the row is locked',
  });
  t.deepEqual(failed.released, all);
});
