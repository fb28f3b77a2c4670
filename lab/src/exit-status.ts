/** How the lab ends, so that a CI job can tell "slower" from "could not measure". */

export const exitStatus = {
  ok: 0,
  /** Wrong usage, or the lab itself failed. */
  tool: 1,
  regression: 2,
  /** The runs differ too much, or the interval is too wide to say. */
  unstable: 3,
  /** The rate was not delivered, or too many answers were wrong. */
  notDelivered: 4,
  /** No baseline to check against, or one of another version. */
  noBaseline: 5,
} as const;
export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

/** Ends the command with one sentence on stderr: what happened and what to do. */
export class LabError extends Error {
  override readonly name = 'LabError';
  readonly status: ExitStatus;

  constructor(status: ExitStatus, sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.status = status;
  }
}
