/**
 * Exit statuses of every command, after BSD sysexits.h: 64 EX_USAGE, 69 EX_UNAVAILABLE, 78 EX_CONFIG.
 */
export const exitStatus = { done: 0, wrongUsage: 64, unavailable: 69, badConfiguration: 78 } as const;

type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

/**
 * A reason not to start that the person at the terminal can act on. The message is printed as it is, without a
 * stack: one sentence that says what happened and one that says what to do.
 */
export class StartupError extends Error {
  override readonly name = 'StartupError';
  readonly status: ExitStatus;

  constructor(status: ExitStatus, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}
