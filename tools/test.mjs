/** `npm test`: installs what is missing, then runs the test suite on the pinned Node. */
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from './install.mjs';

await ensureInstalled();
const { runOnPinnedNode } = await import('../server/bin/pinned-node.mjs');
runOnPinnedNode(fileURLToPath(new URL('run-tests.ts', import.meta.url)), process.argv.slice(2));
