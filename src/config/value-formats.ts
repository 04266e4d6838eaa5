/**
 * The formats of values. A format has one parser for files and variables, and the description for help and
 * errors.
 */
import { isAbsolute, normalize } from 'node:path';
import { durationExamples, parseDuration } from './duration.ts';
import { clusterNamePattern } from '../cluster-name.ts';
import { redact } from '../redact.ts';
import { parsePostgresUrl } from './postgres-url.ts';
import { suggestion } from './suggest.ts';

/** The format of a value. */
export interface ValueFormat<T> {
  /** The accepted values, for help and for errors. */
  accepts: string;
  /**
   * The parsed value.
   * @throws RangeError where the value is wrong; the message is a predicate, such as "is not …"
   */
  parse(value: unknown): T;
  /** The value as an error may show it; undefined means that the value must not be shown. */
  show(value: unknown): string | undefined;
}

/** Milliseconds. */
export const duration: ValueFormat<number> = {
  accepts: `a duration such as ${durationExamples}`,
  parse: (value) => parseDuration(textOf(value)),
  show,
};

/** Milliseconds, more than 0. */
export const positiveDuration: ValueFormat<number> = {
  accepts: `a duration longer than 0, such as ${durationExamples.replace(' or 0', '')}`,
  parse(value) {
    const milliseconds = duration.parse(value);
    if (milliseconds > 0) return milliseconds;
    throw new RangeError('is not longer than 0');
  },
  show,
};

const units = { B: 1, kB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30, TB: 2 ** 40 };

/** Bytes, written as PostgreSQL writes sizes. */
export const byteSize: ValueFormat<number> = {
  accepts: 'a size such as 512MB, 1GB, 2TB or 0',
  parse(value) {
    const [, number, unit = 'B'] = /^(\d{1,6})\s*(B|kB|MB|GB|TB)?$/.exec(textOf(value)) ?? [];
    if (number === undefined) throw new RangeError('is not a size');
    if (unit === 'B' && number !== '0') throw new RangeError('is not a size: it has no unit of kB or more');
    return Number(number) * units[unit as keyof typeof units];
  },
  show,
};

/** A list as in shared_preload_libraries. */
export const libraries: ValueFormat<string> = {
  accepts: 'names of libraries with commas between them, or nothing',
  parse(value) {
    if (/^(?:[\w$./-]+(?:\s*,\s*[\w$./-]+)*)?$/.test(string(value))) return string(value);
    throw new RangeError('is not a list of libraries');
  },
  show,
};

/** An absolute path, normalized. */
export const absolutePath: ValueFormat<string> = {
  accepts: 'an absolute path',
  parse(value) {
    const path = string(value);
    if (path.includes('\0')) throw new RangeError('has a zero byte in it');
    if (!isAbsolute(path)) throw new RangeError('is not an absolute path');
    return normalize(path);
  },
  show,
};

/** A whole number from 1 to `max`. */
export function positiveInteger(max: number): ValueFormat<number> {
  return wholeNumber(1, max);
}

/** A whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number): ValueFormat<number> {
  return {
    accepts: `a whole number from ${min} to ${max}`,
    parse(value) {
      const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
      if (typeof number !== 'number' || !Number.isInteger(number))
        throw new RangeError('is not a whole number');
      if (number < min || number > max) throw new RangeError('is out of range');
      return number;
    },
    show,
  };
}

/** One of the given words. An error suggests a similar word. */
export function oneOf<T extends string>(words: readonly T[]): ValueFormat<T> {
  return {
    accepts: words.map((word) => `"${word}"`).join(', '),
    parse(value) {
      const found = words.find((word) => word === value);
      if (found !== undefined) return found;
      const meant = suggestion(string(value), words);
      throw new RangeError(meant === undefined ? 'is unknown' : `is unknown: did you mean "${meant}"?`);
    },
    show,
  };
}

/** The name of a host, or a similar name. */
export const name: ValueFormat<string> = {
  accepts: 'a letter or digit, then letters, digits, ".", "_" and "-", 63 in all',
  parse(value) {
    if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(string(value))) return string(value);
    throw new RangeError('is not such a name');
  },
  show,
};

/** The name of a cluster. */
export const clusterName: ValueFormat<string> = {
  accepts: 'a lower-case letter or digit, then those, ".", "_" and "-", 63 in all',
  parse(value) {
    if (clusterNamePattern.test(string(value))) return string(value);
    throw new RangeError('is not the name of a cluster');
  },
  show,
};

/** The name of a schema. The names of Holdfast's roles begin with the name of the schema. */
export const schemaName: ValueFormat<string> = {
  accepts: '1 to 40 bytes, not beginning with "pg_"',
  parse(value) {
    const text = string(value);
    const bytes = Buffer.byteLength(text);
    if (bytes < 1 || bytes > 40) throw new RangeError(`has ${bytes} bytes`);
    if (text.startsWith('pg_')) throw new RangeError('begins with "pg_", which is reserved');
    if (text.includes('\0')) throw new RangeError('has a zero byte in it');
    return text;
  },
  show,
};

/** A URL of PostgreSQL. Of a malformed URL, an error shows the scheme at most. */
export const postgresUrl: ValueFormat<string> = {
  accepts: 'postgres://[user[:password]@][host][:port][/database][?parameter=value]',
  parse: (value) => parsePostgresUrl(string(value)),
  show: (value) => (typeof value === 'string' && /^\w+:\/\//.test(value) ? show(value) : undefined),
};

/** A program and its arguments, run without a shell. In a variable, the list is written as JSON. */
export const words: ValueFormat<string[]> = {
  accepts: 'a program and its arguments, such as ["/usr/local/bin/program", "argument"]',
  parse(value) {
    const list: unknown = typeof value === 'string' && value.startsWith('[') ? parseJson(value) : value;
    if (!Array.isArray(list) || list.length === 0) throw new RangeError('is not a list of words');
    const found = list.map(string);
    if (found[0] === '') throw new RangeError('names no program');
    if (found.some((word) => word.includes('\0'))) throw new RangeError('has a zero byte in it');
    return found;
  },
  // Only the program knows which of its arguments is a password.
  show: () => undefined,
};

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RangeError('is not JSON');
  }
}

/** The text of a value. TOML has numbers, too. */
function textOf(value: unknown): string {
  return typeof value === 'number' ? String(value) : string(value);
}

function string(value: unknown): string {
  if (typeof value !== 'string') throw new RangeError('is not text');
  return value;
}

function show(value: unknown): string | undefined {
  if (typeof value === 'object' && !(value instanceof Date)) return undefined;
  const harmless = typeof value === 'string' ? redact(value) : value;
  if (harmless === undefined) return undefined;
  const text = JSON.stringify(harmless);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
