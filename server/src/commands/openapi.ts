import { randomBytes } from 'node:crypto';
import { createService } from '../app.ts';
import { systemClock } from '../clock.ts';
import { readConfig } from '../config.ts';
import { createSigningKey } from '../crypto/signing-key.ts';
import { openTelemetry } from '../telemetry/telemetry.ts';
import type { Command } from './command.ts';

const nowhere = 'postgres://localhost/none';

export const openApiCommand: Command = {
  summary: 'Print the OpenAPI 3.1 document.',
  options: {},
  async run(_values, context) {
    const config = readConfig(context.environment, false);
    const telemetry = await openTelemetry({ level: 'silent', format: 'json', fd: 2 });
    // Never opened: building the service declares its routes, and that is all the document needs.
    const service = await createService({
      config,
      database: { address: nowhere, directAddress: nowhere, prepares: false },
      telemetry,
      loadSigningKey: async () => createSigningKey(randomBytes(32)),
      lifecycle: { state: 'starting' },
      clock: systemClock,
      randomBytes,
    });
    context.stdout.write(`${JSON.stringify(service.openApi.document(), null, 2)}\n`);
    await service.close();
    await telemetry.close();
  },
};
