// Which moment a call's timer counts from, and how long it was in the end.

import { ms } from "./state";
import type { Call } from "./types";

/** Null when nothing runs any more. */
export function runningSince(call: Call): string | null {
  switch (call.status) {
    case "ringing":
      return call.rang_at ?? call.started_at ?? call.created_at;
    case "active":
      return call.answered_at ?? call.started_at;
    case "held":
      return call.holds.find((h) => h.to === null)?.from ?? call.answered_at ?? call.started_at;
    default:
      return null;
  }
}

/** Seconds of ringing: the platform's figure, else from its times. */
export function rangFor(call: Call): number | null {
  if (call.ring_seconds !== null) return call.ring_seconds;
  const from = call.rang_at ?? call.started_at;
  const to = call.answered_at ?? call.ended_at;
  return from && to ? Math.max(0, Math.round((ms(to) - ms(from)) / 1000)) : null;
}

/** Seconds of talk, holds included; null for a call that nobody answered. */
export const talkedFor = (call: Call): number | null => (call.answered_at ? call.duration_seconds : null);
