/** `npm start`: installs what is missing, then runs the command line given (`serve`) on the pinned Node. */
import { ensureInstalled } from './install.mjs';

await ensureInstalled();
await import('../server/bin/irontrack.mjs');
