// What would be lost if the power failed when these system calls had been made. A file is there after that when its
// content has been synced since the last write to it, and its directory since it got its name.
import { dirname } from 'node:path';
import type { SystemCall } from './system-calls.ts';

export interface PowerCut {
  /** What would not be there, or not be whole. */
  lost: string[];
  /** What got its name, by a rename or a link, before what it holds had been synced. */
  namedTooEarly: string[];
  /** Whether the file and its directory were synced, whoever wrote them. */
  isSynced(path: string): boolean;
}

interface Node {
  /** When the last change of its content was over. */
  changed: number;
  /** When the last sync that is over began. */
  synced: number;
}

interface Name {
  node: Node;
  /** When it was given. */
  made: number;
}

/** Of what is in the directory `root`, and itself. */
export function powerCut(calls: readonly SystemCall[], root: string): PowerCut {
  const disk = new Disk();
  for (const change of calls.flatMap(changesOf).sort((one, other) => one.at - other.at)) change.on(disk);
  const isOurs = (path: string) => path === root || path.startsWith(`${root}/`);
  return {
    lost: [...disk.names.keys()].filter((path) => isOurs(path) && !disk.isKept(path)).sort(),
    namedTooEarly: disk.namedTooEarly.filter(isOurs),
    isSynced: (path) => disk.node(path).synced >= 0 && disk.node(dirname(path)).synced >= 0,
  };
}

/** As far as it is known from the calls. */
class Disk {
  readonly names = new Map<string, Name>();
  readonly namedTooEarly: string[] = [];

  node(path: string): Node {
    const found = this.names.get(path)?.node;
    if (found !== undefined) return found;
    const node = { changed: -1, synced: -1 };
    this.names.set(path, { node, made: -1 });
    return node;
  }

  isKept(path: string): boolean {
    const { node, made } = this.names.get(path) as Name;
    return isWhole(node) && (made < 0 || this.node(dirname(path)).synced > made);
  }

  /** The name `to` as well, for `from` and what is in it. */
  name(from: string, to: string, made: number): void {
    const content = this.beneath(from);
    const isEarly = !isWhole(this.node(from)) || content.some((path) => !this.isKept(path));
    if (isEarly) this.namedTooEarly.push(to);
    this.names.set(to, { node: this.node(from), made });
    for (const path of content) this.names.set(to + path.slice(from.length), this.names.get(path) as Name);
  }

  remove(path: string): void {
    for (const name of [path, ...this.beneath(path)]) this.names.delete(name);
  }

  private beneath(path: string): string[] {
    return [...this.names.keys()].filter((name) => name.startsWith(`${path}/`));
  }
}

function isWhole({ changed, synced }: Node): boolean {
  return changed < 0 || synced > changed;
}

interface Change {
  at: number;
  on(disk: Disk): void;
}

/** A sync counts from its end for what was over when it began; a new name from when it was asked for. */
function changesOf(call: SystemCall): Change[] {
  const { name, args, begins, ends } = call;
  const [first, second] = quotedPaths(args);
  const [, file] = /^\d+<(\/[^>]*)>/.exec(args) ?? [];
  if (/^f(data)?sync$/.test(name) && file !== undefined)
    return [{ at: ends, on: (disk) => void (disk.node(file).synced = begins) }];
  if (/write|^ftruncate$|^copy_file_range$|^sendfile$/.test(name) && file !== undefined)
    return [{ at: ends, on: (disk) => void (disk.node(file).changed = ends) }];
  if (first === undefined) return [];
  if (name.startsWith('open')) return /O_CREAT/.test(args) ? [created(first, ends, begins, ends)] : [];
  if (name.startsWith('mkdir')) return [created(first, -1, begins, ends)];
  if (/^(unlink|rmdir)/.test(name)) return [{ at: begins, on: (disk) => disk.remove(first) }];
  if (second === undefined) return [];
  if (name.startsWith('symlink')) return [created(second, -1, begins, ends)];
  return [named(name.startsWith('rename'), first, second, begins, ends)];
}

function created(path: string, changed: number, begins: number, ends: number): Change {
  const node = { changed, synced: -1 };
  return {
    at: begins,
    on: (disk) => void (disk.names.has(path) || disk.names.set(path, { node, made: ends })),
  };
}

function named(moves: boolean, from: string, to: string, begins: number, ends: number): Change {
  return {
    at: begins,
    on(disk) {
      if (moves) disk.remove(to);
      disk.name(from, to, ends);
      if (moves) disk.remove(from);
    },
  };
}

function quotedPaths(args: string): string[] {
  return [...args.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, path = '']) => path);
}
