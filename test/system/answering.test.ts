// A file system that does not answer keeps one thread at most, and whoever waits for it for a limited time.
import test from 'ava';
import { answerOf, isWaitingForAnswer, requireAnswer } from '../../src/system/answering.ts';

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
