/** Values in a readable form. */

/** Seconds in at most two units: `4 s`, `2 min 3 s`, `3 h 12 min`, `2 d 4 h`. */
export function seconds(value: number): string {
  if (value < 10) return `${Math.max(0, Math.round(value * 10) / 10)} s`;
  const whole = Math.round(value);
  const units: [string, number][] = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ];
  const at = units.findIndex(([, size]) => whole >= size);
  const [[unit, size] = ['s', 1], next] = units.slice(at);
  const rest = next === undefined ? 0 : Math.floor((whole % size) / next[1]);
  const first = `${Math.floor(whole / size)} ${unit}`;
  return next === undefined || rest === 0 ? first : `${first} ${rest} ${next[0]}`;
}

/** Bytes in units of 1024, as `pg_size_pretty` names them: `512 bytes`, `1.5 MB`. */
export function bytes(value: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'];
  const at = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log(value) / Math.log(1024)));
  const amount = value / 1024 ** at;
  return `${at === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${units[at]}`;
}

/** A time in UTC, to the second. */
export function time(value: Date): string {
  return value
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC');
}

/** A number and its noun: `1 file`, `2 files`. */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
