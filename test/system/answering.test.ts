// A file system that does not answer keeps one thread at most, and whoever waits for it for a limited time.
import test from 'ava';
import { answerOf, isWaitingForAnswer, requireAnswer, whileAnswering } from '../../src/system/answering.ts';
import { hang, noHungDirectory } from '../support/hung-directory.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

test.serial('a question that is not answered is an error, and is not asked again meanwhile', async (t) => {
  const answer = Promise.withResolvers<void>();
  let asked = 0;
  const ask = () => {
    asked += 1;
    return answer.promise;
  };
  const silence = { code: 'ETIMEDOUT', message: 'its file system has not answered for 0.02 seconds' };
  await Promise.all([
    t.throwsAsync(answerOf('one', '/there', ask, 20), silence),
    t.throwsAsync(answerOf('one', '/there', ask, 20), silence),
  ]);
  await t.throwsAsync(answerOf('one', '/there', ask, 20), silence);
  t.is(asked, 1);
  t.true(isWaitingForAnswer());

  const patient = answerOf('one', '/there', ask);
  answer.resolve();
  await patient;
  t.false(isWaitingForAnswer());
  await answerOf('one', '/there', ask);
  t.is(asked, 2);
});

test.serial('an answer that says no is an error of its own, and is asked for again', async (t) => {
  const no = () => Promise.reject(new Error('no'));
  await t.throwsAsync(answerOf('two', '/there', no), { message: 'no' });
  await answerOf('two', '/there', () => Promise.resolve());
  t.false(isWaitingForAnswer());
});

test.serial('a directory that is not there is an answer', async (t) => {
  await t.notThrowsAsync(requireAnswer('/nowhere'));
});

test.serial(
  'work on a directory that answers takes as long as it takes, and its error is its own',
  async (t) => {
    const work = Promise.withResolvers<string>();
    const result = whileAnswering('/nowhere', () => work.promise, 500);
    await requireAnswer('/nowhere');
    work.resolve('done');
    t.is(await result, 'done');
    await t.throwsAsync(
      whileAnswering('/nowhere', () => Promise.reject(new Error('no'))),
      { message: 'no' },
    );
  },
);

testWhen(noHungDirectory).serial('a file system that stops answering in the midst is an error', async (t) => {
  const directory = await temporaryDirectory(t);
  const work = Promise.withResolvers<void>();
  const result = whileAnswering(directory, () => work.promise, 500);
  const end = await hang(t, directory);
  await t.throwsAsync(result, { code: 'ETIMEDOUT' });
  await end();
  work.resolve();
});
