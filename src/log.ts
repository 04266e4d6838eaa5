/** The log: one line per event on standard error, for people or as JSON. */
import { plain } from './plain.ts';

export const logLevels = ['error', 'warning', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];
export type LogFields = Record<string, string | number | boolean | null | undefined>;

export interface Log {
  error(message: string, fields?: LogFields): void;
  warning(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
}

export interface LogOptions {
  level?: LogLevel;
  json?: boolean;
  write?: (line: string) => void;
}

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
