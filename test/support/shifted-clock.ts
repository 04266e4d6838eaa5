// For node --import: this process's clock is wrong by CLOCK_SHIFT milliseconds.
const shift = Number(process.env['CLOCK_SHIFT']);
const Right = Date;

globalThis.Date = new Proxy(Right, {
  construct: (target, args: [], subject) =>
    Reflect.construct(target, args.length === 0 ? [Right.now() + shift] : args, subject) as Date,
  get: (target, name) =>
    name === 'now' ? () => Right.now() + shift : (Reflect.get(target, name) as unknown),
});
