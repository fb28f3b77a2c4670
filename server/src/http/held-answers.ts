import type { App } from './app.ts';

/**
 * Holds the answer to a change back until others have heard of it, so that whoever asks them next sees it.
 *
 * @param heard resolves when they have; undefined when there is nothing to hear. Never rejects
 */
export function holdAnswers(app: App, heard: () => Promise<void> | undefined): void {
  app.addHook('onSend', (request, _reply, _payload, done) => {
    const pending = request.method === 'GET' ? undefined : heard();
    if (pending === undefined) done();
    else pending.then(() => done(), done);
  });
}
