/** The log of the process: pino, through the one writer, with secrets taken out. */
import { type Logger, type LoggerOptions, pino } from 'pino';

export type LogFormat = 'json' | 'pretty';

// Members that never appear in a line, at the top of what is logged or up to two levels down.
const secretNames = [
  ...['password', 'confirmPassword', 'currentPassword', 'newPassword', 'oldPassword', 'passwordHash', 'hash'],
  ...['token', 'accessToken', 'refreshToken', 'access_token', 'refresh_token', 'authorization', 'cookie'],
  ...['secret', 'key', 'privateKey', 'apiKey', 'signingKey', 'jwk', 'connectionString', 'headers'],
  ...['parameters', 'query', 'body'],
] as const;
const secretPaths = ['', '*.', '*.*.'].flatMap((prefix) => [
  ...secretNames.map((name) => `${prefix}${name}`),
  `${prefix === '' ? '' : prefix.slice(0, -1)}["set-cookie"]`,
]);

// Secrets that get into sentences: the password in an address, and anything that looks like a JWT. A match ends at a
// quote, so that it cannot reach into the next member of the line.
const secretsInText = [
  { pattern: /([a-z][a-z0-9+.-]*:\/\/[^\s:/@"]*:)[^\s@/"]+@/gi, by: '$1[redacted]@' },
  { pattern: /\beyJ[\w-]+\.[\w-]+\.?[\w-]*/g, by: '[redacted]' },
] as const;

/**
 * Makes the logger.
 *
 * @param level one of pino's, or `silent`
 * @param writer takes finished lines; the access log writes to the same, so that lines never interleave
 */
export async function openLog(
  level: string,
  format: LogFormat,
  writer: { write(line: string): void },
): Promise<Logger> {
  const options: LoggerOptions = {
    level,
    base: null,
    redact: { paths: secretPaths, censor: '[redacted]' },
    // Sentences are searched too, pino's own copy of an error's message among them.
    hooks: { streamWrite: withoutSecrets },
    serializers: { err: describeError, error: describeError },
  };
  if (format === 'json') return pino(options, writer);
  // Loaded on demand: a server that writes JSON starts 15 ms sooner without it.
  const { prettyFactory } = await import('pino-pretty');
  const prettify = prettyFactory({ colorize: true, translateTime: 'UTC:HH:MM:ss.l' });
  return pino(options, { write: (line: string) => writer.write(prettify(line)) });
}

interface DescribedError {
  type: string;
  message: string;
  code?: string;
  constraint?: string;
  /** Frames only: the first lines of a stack repeat the message. */
  stack?: string;
  cause?: DescribedError;
}

/**
 * What the log says of an error: its kind, its sentence, where it came from and what caused it. What drivers hang on
 * their errors (the statement, its parameters, the row in `detail`) stays out: that is where passwords and e-mail
 * addresses would be.
 */
function describeError(error: unknown, depth = 0): DescribedError {
  if (!(error instanceof Error))
    return { type: typeof error, message: 'Something that is no Error was thrown.' };
  const described: DescribedError = { type: error.name, message: error.message };
  if ('code' in error && typeof error.code === 'string') described.code = error.code;
  if ('constraint_name' in error && typeof error.constraint_name === 'string') {
    described.constraint = error.constraint_name;
  }
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  if (frames.length > 0) described.stack = frames.join('\n');
  if (error.cause !== undefined && depth < 4) described.cause = describeError(error.cause, depth + 1);
  return described;
}

function withoutSecrets(text: string): string {
  return secretsInText.reduce((rest, { pattern, by }) => rest.replace(pattern, by), text);
}
