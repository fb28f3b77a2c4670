/** Arithmetic in text, so that a formula that is shown is the one that was computed. */

type Values = ReadonlyMap<string, number>;

/** Functions an expression may call. */
const functions: Readonly<Record<string, (...given: number[]) => number>> = {
  ceil: Math.ceil,
  max: Math.max,
};

/**
 * Works out `peak = perDay / 86400 * peakFactor` and the like: numbers, names, + - * / and parentheses, ceil and max.
 *
 * @throws Error that names what is unknown or does not belong there
 */
export function evaluate(expression: string, values: Values): number {
  const tokens = expression.match(/[A-Za-z][A-Za-z0-9]*|\d+(?:\.\d+)?|[^\s]/g) ?? [];
  let at = 0;

  function take(wanted: string): boolean {
    if (tokens[at] !== wanted) return false;
    at += 1;
    return true;
  }

  function expect(wanted: string): void {
    if (!take(wanted))
      throw new Error(`${expression}: ${wanted} is missing before ${tokens[at] ?? 'the end'}`);
  }

  function sum(): number {
    let result = product();
    for (;;) {
      if (take('+')) result += product();
      else if (take('-')) result -= product();
      else return result;
    }
  }

  function product(): number {
    let result = operand();
    for (;;) {
      if (take('*')) result *= operand();
      else if (take('/')) result /= operand();
      else return result;
    }
  }

  function operand(): number {
    const token = tokens[at] ?? 'the end';
    at += 1;
    if (token === '(') {
      const result = sum();
      expect(')');
      return result;
    }
    if (/^\d/.test(token)) return Number(token);
    const called = Object.hasOwn(functions, token) ? functions[token] : undefined;
    if (called !== undefined) {
      expect('(');
      const given = [sum()];
      while (take(',')) given.push(sum());
      expect(')');
      return called(...given);
    }
    const value = values.get(token);
    if (value === undefined) throw new Error(`${expression}: ${token} is not known`);
    return value;
  }

  const result = sum();
  if (at < tokens.length) throw new Error(`${expression}: ${tokens[at]} does not belong there`);
  return result;
}
