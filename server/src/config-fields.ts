/** Readers for one value of the environment each: text in, a value or the reason why not out. */

/** A fault reads on after the variable's name: "must be ...". It never repeats a value that may be a secret. */
export type FieldReader<Value> = (given: string) => { value: Value } | { fault: string };

export function text(): FieldReader<string> {
  return (given) => (given.trim() === '' ? { fault: 'must not be blank.' } : { value: given });
}

/** Reads nothing as `undefined` and everything else with `reader`. */
export function optional<Value>(reader: FieldReader<Value>): FieldReader<Value | undefined> {
  return (given) => (given === '' ? { value: undefined } : reader(given));
}

export function integer(minimum: number, maximum: number): FieldReader<number> {
  return (given) => {
    const value = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN;
    return value >= minimum && value <= maximum
      ? { value }
      : { fault: `must be a whole number from ${minimum} to ${maximum}.` };
  };
}

const flagValues: Readonly<Record<string, boolean>> = {
  on: true,
  true: true,
  yes: true,
  1: true,
  off: false,
  false: false,
  no: false,
  0: false,
};

export function flag(): FieldReader<boolean> {
  return (given) => {
    const value = Object.hasOwn(flagValues, given.toLowerCase())
      ? flagValues[given.toLowerCase()]
      : undefined;
    return value === undefined ? { fault: 'must be on or off.' } : { value };
  };
}

export function oneOf<const Choice extends string>(...choices: Choice[]): FieldReader<Choice> {
  return (given) => {
    const value = choices.find((choice) => choice === given);
    return value === undefined ? { fault: `must be one of ${choices.join(', ')}.` } : { value };
  };
}

export function list(): FieldReader<readonly string[]> {
  return (given) => ({
    value: given
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  });
}

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function parseLifetime(given: string): number | undefined {
  const [, amount, unit] = /^(\d{1,9})([smhd])$/.exec(given) ?? [];
  const factor = unitMs[unit ?? ''];
  return amount === undefined || factor === undefined ? undefined : Number(amount) * factor;
}

/** Reads `90s`, `30m`, `12h` or `7d` as milliseconds. */
export function lifetime(shortest: string, longest: string): FieldReader<number> {
  const minimum = parseLifetime(shortest) ?? 0;
  const maximum = parseLifetime(longest) ?? Number.POSITIVE_INFINITY;
  return (given) => {
    const value = parseLifetime(given);
    return value !== undefined && value >= minimum && value <= maximum
      ? { value }
      : { fault: `must be a time from ${shortest} to ${longest}, such as 90s, 30m, 12h or 7d.` };
  };
}
