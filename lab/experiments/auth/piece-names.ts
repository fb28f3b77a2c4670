/** What the pieces are called, for those who measure them and those who read the figures. */

export const pieceNames = {
  hashOneLane: 'hash, 1 lane',
  hashFourLanes: 'hash, 4 lanes',
  rsaSign: 'sign RSA-2048',
  rsaSignPem: 'sign RSA-2048, key read each time',
  ed25519Sign: 'sign Ed25519',
  rsaVerify: 'verify RSA-2048',
  ed25519Verify: 'verify Ed25519',
  listTwice: 'list, both passes',
  listWalk: 'list, first pass',
  listStringify: 'list, second pass',
  listCompiled: 'list, compiled',
} as const;
