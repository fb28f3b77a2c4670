/** Lets a user's file import the lab by its name, wherever that file lies and however the lab was installed. */
import { registerHooks } from 'node:module';

/** What package.json exports. */
const modules: ReadonlyMap<string, URL> = new Map([
  ['irontrack-lab/scenario.ts', new URL('scenario.ts', import.meta.url)],
  ['irontrack-lab/benchmark.ts', new URL('../micro/benchmark.ts', import.meta.url)],
]);

let offered = false;

/** Once a process; Node's own resolution would need an entry in a node_modules above the user's file. */
export function offerOwnModules(): void {
  if (offered) return;
  offered = true;
  registerHooks({
    resolve(specifier, context, next) {
      const own = modules.get(specifier);
      return own === undefined
        ? next(specifier, context)
        : { url: own.href, format: 'module-typescript', shortCircuit: true };
    },
  });
}
