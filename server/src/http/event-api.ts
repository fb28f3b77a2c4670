const eventApiPath = /^\/api\/(?!v1(?:[/?]|$))/;

/** Which paths are the API for programs with a key: snake_case, errors with `error` besides, and X-Response-Time. */
export function isEventApi(url = ''): boolean {
  return eventApiPath.test(url);
}
