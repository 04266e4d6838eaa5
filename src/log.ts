/** The log: one line per event on standard error, as text or as JSON. */
import { plain } from './plain.ts';

/** From the most to the least severe. */
export const logLevels = ['error', 'warning', 'info', 'debug'] as const;
/** The severity of an event. */
export type LogLevel = (typeof logLevels)[number];
/** Named values of an event. In the text format, undefined fields are omitted. */
export type LogFields = Record<string, string | number | boolean | null | undefined>;

/** Writes events. Events below the configured level are discarded. */
export interface Log {
  error(message: string, fields?: LogFields): void;
  warning(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
}

/** The options of a log. */
export interface LogOptions {
  /** The least severe level that is written; undefined means `info`. */
  level?: LogLevel;
  /** Whether lines are JSON; undefined means text. */
  json?: boolean;
  /** Receives each line; undefined means standard error. */
  write?: (line: string) => void;
}

/** Creates a log. */
export function createLog(options: LogOptions = {}): Log {
  const { level = 'info', json = false, write = (line) => process.stderr.write(line) } = options;
  const shown = logLevels.indexOf(level);
  const render = json ? asJson : asText;
  const at =
    (severity: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (logLevels.indexOf(severity) <= shown) write(`${render(severity, message, fields)}\n`);
    };
  return { error: at('error'), warning: at('warning'), info: at('info'), debug: at('debug') };
}

function asJson(level: LogLevel, message: string, fields: LogFields): string {
  return JSON.stringify({ at: new Date().toISOString(), level, message, ...fields });
}

function asText(level: LogLevel, message: string, fields: LogFields): string {
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${typeof value === 'string' ? quoted(value) : String(value)}`);
  return plain([new Date().toISOString(), level.padEnd(7), message, ...pairs].join(' '));
}

function quoted(value: string): string {
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}
