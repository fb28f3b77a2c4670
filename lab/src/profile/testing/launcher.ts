/** A launcher as npm is one, for tests: busy itself while it starts, then only waits for the Node that serves. */
import { spawn } from 'node:child_process';
import { burningServerPath } from './burning-server-process.ts';

for (const until = performance.now() + 300; performance.now() < until; );
const child = spawn(process.execPath, ['--inspect-port=0', burningServerPath], { stdio: 'inherit' });
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', () => process.exit(0));
