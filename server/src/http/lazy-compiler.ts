/** Compiles at first use, or in the background once the server listens: 75 ms that nobody waits for at the start. */

export interface LazyCompiler {
  /** Returns a function that compiles itself when it is called for the first time. */
  defer<Input, Output>(compile: () => (input: Input) => Output): (input: Input) => Output;
  /** Compiles all that is left, a piece at a time between requests. Rejects with what a piece throws. */
  finish(): Promise<void>;
}

export function createLazyCompiler(): LazyCompiler {
  const pending = new Set<() => void>();
  return {
    defer<Input, Output>(compile: () => (input: Input) => Output) {
      let compiled: ((input: Input) => Output) | undefined;
      const ready = (): ((input: Input) => Output) => {
        pending.delete(ready);
        compiled ??= compile();
        return compiled;
      };
      pending.add(ready);
      return (input: Input) => (compiled ?? ready())(input);
    },
    async finish() {
      for (const ready of pending) {
        ready();
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
}
