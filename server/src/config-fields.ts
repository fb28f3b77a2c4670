/** Readers for one value of the environment each: text in, a value or the reason why not out. */

import { isIP } from 'node:net';
import { isEmail, normalizeEmail } from './email.ts';

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

/** Reads items separated by commas; a fault names every item that is wrong. */
function list(isItem: (item: string) => boolean, wanted: string): FieldReader<readonly string[]> {
  return (given) => {
    const value = given
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
    const wrong = value.filter((item) => !isItem(item));
    return wrong.length === 0 ? { value } : { fault: `must list ${wanted}, not ${wrong.join(', ')}.` };
  };
}

export function origins(): FieldReader<readonly string[]> {
  return list(
    (item) => URL.canParse(item) && new URL(item).origin === item,
    'origins such as https://app.example.org, separated by commas',
  );
}

/** An address to put in front of paths, without the slash at its end. */
export function webAddress(): FieldReader<string> {
  return (given) =>
    /^https?:\/\/./.test(given) && URL.canParse(given)
      ? { value: given.replace(/\/+$/, '') }
      : { fault: 'must be an address such as https://cdn.example.org/images.' };
}

/** Addresses, CIDR ranges and the word `unix`. */
export function proxies(): FieldReader<readonly string[]> {
  return list(
    (item) => item === 'unix' || isAddressRange(item),
    'addresses or CIDR ranges, separated by commas, or unix',
  );
}

function isAddressRange(item: string): boolean {
  const [address = '', bits = '0'] = item.split('/');
  const family = isIP(address);
  return family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}

export function databaseUrl(): FieldReader<string> {
  return (given) =>
    /^postgres(ql)?:\/\/./.test(given) && URL.canParse(withHost(given))
      ? { value: given }
      : { fault: 'must look like postgres://name:password@host:5432/database.' };
}

/** Where a Valkey or Redis is, in parts. */
export interface ValkeyAddress {
  socket: { host: string; port: number; tls?: true } | { path: string };
  username: string | undefined;
  password: string | undefined;
  database: number;
}

/** `redis://`, `rediss://` for TLS, `unix://` with the path of a socket; `valkey://` and `valkeys://` are the same. */
export function valkeyUrl(): FieldReader<ValkeyAddress> {
  return (given) => {
    const value = parseValkeyUrl(given);
    return value === undefined
      ? {
          fault:
            'must look like redis://name:password@host:6379/0, rediss:// for TLS, or unix:///run/valkey/valkey.sock?db=0.',
        }
      : { value };
  };
}

function parseValkeyUrl(given: string): ValkeyAddress | undefined {
  const local = /^unix:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?(\/[^?]+)(?:\?db=(\d{1,4}))?$/.exec(given);
  if (local !== null) {
    const [, name, secret, path = '', database] = local;
    return { socket: { path }, ...credentials(name, secret), database: Number(database ?? 0) };
  }
  const scheme = /^(?:redis|valkey)(s?):\/\/./.exec(given);
  if (scheme === null || !URL.canParse(given)) return undefined;
  const { hostname, port, username, password: secret, pathname, search, hash } = new URL(given);
  const database = /^\/?(\d{0,4})$/.exec(pathname)?.[1];
  if (hostname === '' || database === undefined || search !== '' || hash !== '') return undefined;
  const host = hostname.replace(/^\[|\]$/g, '');
  const at = { host, port: Number(port === '' ? 6379 : port) };
  return {
    socket: scheme[1] === 's' ? { ...at, tls: true } : at,
    ...credentials(username, secret),
    database: Number(database),
  };
}

function credentials(name: string | undefined, secret: string | undefined) {
  return { username: decoded(name), password: decoded(secret) };
}

/** A `%` that begins no escape stands for itself. */
function decoded(part: string | undefined): string | undefined {
  if (part === undefined || part === '') return undefined;
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Reads an e-mail in the spelling that is stored. */
export function email(): FieldReader<string> {
  return (given) =>
    isEmail(given)
      ? { value: normalizeEmail(given) }
      : { fault: 'must be an e-mail such as admin@example.org.' };
}

export function password(): FieldReader<string> {
  return (given) =>
    given.length < 8 || given.trim() === ''
      ? { fault: 'must have 8 characters or more, not all of them blank.' }
      : { value: given };
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

/** libpq takes `postgres://name@/database` for a Unix socket, which is no URL to anybody else: gives it a host. */
export function withHost(url: string): string {
  return url.replace(/^(\w+:\/\/[^/?#]*@)\//, '$1localhost/');
}
