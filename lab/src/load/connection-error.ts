/** Says in words what went wrong with a connection: OpenSSL's own are a line of addresses and file names. */

/** What Node answers to a certificate that it does not trust (tls documentation, "X509 certificate error codes"). */
const certificateCodes =
  /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_CERT_ALTNAME_INVALID)/;

/** @returns without a full stop */
export function describeConnectionError(error: Error): string {
  const code = 'code' in error ? String(error.code) : '';
  if (certificateCodes.test(code)) {
    const [reason = ''] = error.message.split(';');
    return `its certificate is not trusted (${reason}); --insecure accepts any`;
  }
  if (code === 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL') {
    return 'the server does not speak this version of HTTP over TLS; try with --http2, or without it';
  }
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') {
    return 'the server does not speak TLS; try http:// instead of https://';
  }
  if (code.startsWith('ERR_SSL_') && 'reason' in error) return `TLS failed: ${String(error.reason)}`;
  return error.message;
}
