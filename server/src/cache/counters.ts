/**
 * How often something happened to somebody lately: what limits are decided by. A limit is a window that begins with the
 * first point taken in it, and holds so many. `counters.conformance.ts` holds the same facts as tests.
 */

/** Known at once where it is counted in this process; a promise where another has to be asked. */
export type Soon<Value> = Value | Promise<Value>;

export interface Limit {
  /** Such as `sign-in:pair`: what is counted. Limits of one name share their windows, whatever else they say. */
  readonly name: string;
  readonly points: number;
  readonly windowMs: number;
}

/** One point of a limit. */
export interface Claim {
  readonly limit: Limit;
  /** Whose point: an e-mail, an address, an id. It may say who a person is, so nothing of it leaves in clear. */
  readonly subject: string;
}

export interface Count {
  /** False: none was left, and nothing was taken. When nothing was asked for: would one be granted? */
  readonly isGranted: boolean;
  /** Points taken in this window, this one included. */
  readonly used: number;
  /** Until the window is over, milliseconds; of a window that has not begun, its whole length. */
  readonly endsInMs: number;
}

export interface Counters {
  take(claim: Claim): Soon<Count>;
  /**
   * Takes a point of each in turn as one step, and stops at the first that has none left: those before it stay taken, those
   * after it are not looked at.
   *
   * @returns a count for each that was looked at; only the last can be refused
   */
  takeEach(claims: readonly Claim[]): Soon<readonly Count[]>;
  /** Takes nothing. */
  read(claim: Claim): Soon<Count>;
  /** Gives points back that were taken for nothing. Never fails: at worst a point stays taken until its window is over. */
  giveBack(claims: readonly Claim[]): Soon<void>;
}

/** Goes on with a value, at once when it is there. */
export function whenKnown<Value, Result>(value: Soon<Value>, next: (value: Value) => Result): Soon<Result> {
  return value instanceof Promise ? value.then(next) : next(value);
}
