import test from 'ava';
import { chooseNext } from '../../src/worker/fairness.ts';

const waiting = (id: number, requestedBy: string, requestedLogin: string | null = requestedBy) => ({
  id,
  requestedBy,
  requestedLogin,
  cluster: 'main',
});
const holds = (requestedBy: string, sessions: number, requestedLogin: string | null = requestedBy) =>
  Array.from({ length: sessions }, () => ({ requestedBy, requestedLogin }));

test('of those who hold equally many, whoever was served longest ago goes first', (t) => {
  const served = new Map([
    ['role a', 20],
    ['login b', 10],
  ]);
  t.is(chooseNext([waiting(1, 'a'), waiting(2, 'b')], [], 1, served)?.id, 2);
  t.is(chooseNext([waiting(1, 'a'), waiting(2, 'b'), waiting(3, 'c')], [], 1, served)?.id, 3);
});

test('the oldest request goes first', (t) => {
  t.is(chooseNext([waiting(2, 'b'), waiting(1, 'a')], [], 5)?.id, 1);
});

test('whoever holds fewer sessions goes before an older request', (t) => {
  t.is(chooseNext([waiting(1, 'a'), waiting(2, 'b')], holds('a', 1), 5)?.id, 2);
});

test('nobody gets a session when all are held', (t) => {
  t.is(chooseNext([waiting(1, 'a')], holds('b', 5), 5), undefined);
});

test('the last tenth is for requesters who hold none', (t) => {
  const choose = (requests: ReturnType<typeof waiting>[], held: number) =>
    chooseNext(requests, holds('a', held), 20, new Map(), 20);
  t.is(choose([waiting(1, 'a')], 18), undefined);
  t.is(choose([waiting(1, 'a'), waiting(2, 'b')], 18)?.id, 2);
  t.is(choose([waiting(1, 'a')], 17)?.id, 1);
});

test('one requester holds no more than his cap, by default half, and at least one', (t) => {
  t.is(chooseNext([waiting(1, 'a')], holds('a', 9), 20)?.id, 1);
  t.is(chooseNext([waiting(1, 'a')], holds('a', 10), 20), undefined);
  t.is(chooseNext([waiting(1, 'a'), waiting(2, 'b')], holds('a', 10), 20)?.id, 2);
  t.is(chooseNext([waiting(1, 'a')], holds('a', 3), 20, new Map(), 3), undefined);
  t.is(chooseNext([waiting(1, 'a')], [], 2)?.id, 1);
});

test('a login holds no more for its SET ROLE, others of that role their share, and schedules as their owner', (t) => {
  const held = [...holds('a', 2), ...holds('shared', 2, 'a')];
  const choose = (...requests: ReturnType<typeof waiting>[]) => chooseNext(requests, held, 8)?.id;
  t.is(choose(waiting(1, 'shared', 'a'), waiting(2, 'third', 'a')), undefined);
  t.is(choose(waiting(1, 'shared', 'a'), waiting(2, 'shared', 'b')), 2);
  t.is(choose(waiting(1, 'a', null), waiting(2, 'a')), 1);
  t.is(chooseNext([waiting(1, 'owner', null)], holds('owner', 4, null), 8), undefined);
});

test('a worker of one session serves anybody', (t) => {
  t.is(chooseNext([waiting(1, 'a')], [], 1)?.id, 1);
});
