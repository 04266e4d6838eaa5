/** The documentation of the configuration keys, generated from config-keys.ts. */
import { allKeys } from './config-keys.ts';

/** The keys as text, for `holdfast worker --help`. */
export function configurationHelp(): string {
  const described = allKeys.map(({ path, variable, format, default: standard, help }) =>
    [
      `  ${path}  (${variable})`,
      `      ${help}`,
      `      ${format.accepts}${standard === undefined ? '' : `; default: ${standard}`}`,
    ].join('\n'),
  );
  return [
    'Configuration, from a TOML file (--config, HOLDFAST_CONFIG, /etc/holdfast.toml) or from variables;',
    'an option beats a variable, a variable beats the file:',
    ...described,
  ].join('\n');
}

/** The keys as a Markdown table. */
export function configurationTable(): string {
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
  const rows = allKeys.map(({ path, variable, format, default: standard, help }) =>
    [
      `\`${path}\``,
      `\`${variable}\``,
      cell(format.accepts),
      standard === undefined ? '' : `\`${standard}\``,
      cell(help),
    ].join(' | '),
  );
  return ['Key | Variable | Value | Default | Meaning', '--- | --- | --- | --- | ---', ...rows].join('\n');
}
