// Numbers that look random and are the same every time: what a test finds, it finds again.

export interface Random {
  /** From 0 up to, and without, the limit. */
  upTo: (limit: number) => number;
  pick: <T>(from: readonly T[]) => T;
}

export function random(seed: number): Random {
  let state = seed;
  const upTo = (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  return {
    upTo,
    pick: <T>(from: readonly T[]): T => from[upTo(from.length)] as T,
  };
}
