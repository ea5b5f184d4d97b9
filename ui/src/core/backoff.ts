/** Half of the step is certain and half is chance, so that a thousand tabs do not return at once. */
export function backoff(failures: number, random: number): number {
  const step = Math.min(15_000, 500 * 2 ** Math.min(Math.max(failures, 0), 10));
  return Math.round(step / 2 + (random * step) / 2);
}
