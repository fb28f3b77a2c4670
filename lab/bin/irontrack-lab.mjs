#!/usr/bin/env node
/** The command `irontrack-lab`: lab/src/main.ts on the pinned Node, whichever Node this file was started with. */
import { fileURLToPath } from 'node:url';
import { runOnPinnedNode } from '../../server/bin/pinned-node.mjs';

runOnPinnedNode(fileURLToPath(new URL('../src/main.ts', import.meta.url)), process.argv.slice(2));
