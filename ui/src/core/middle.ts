// Who is shown in the middle of the page, and when a ringing caller may take that place.

import { isLive, rangAt } from "./state";
import type { Call } from "./types";

/** A call that was ringing longer than this when it reached us no longer pops. */
export const POP_MAX_AGE_MS = 10_000;

export interface Middle {
  /** What the person opened: a row, a card, or a call they were shown and talked on. */
  chosen: string | null;
  /** What the server popped; lies over `chosen` and gives the place back. */
  popped: string | null;
}

export const noMiddle: Middle = { chosen: null, popped: null };
export const shownId = (m: Middle): string | null => m.popped ?? m.chosen;

export interface Work {
  shown: Call | null;
  /** The keyboard focus is inside the middle: somebody is at work there. */
  focusInside: boolean;
}

/** A conversation in the middle, or a focus inside it, is work: then the card offers “Show”. */
export const isWorkedIn = ({ shown, focusInside }: Work): boolean =>
  focusInside || shown?.status === "active" || shown?.status === "held";

export function pop(middle: Middle, call: Call, work: Work, now: number): Middle {
  if (call.status !== "ringing" || middle.popped === call.id) return middle;
  if (now - rangAt(call) > POP_MAX_AGE_MS || isWorkedIn(work)) return middle;
  return { ...middle, popped: call.id };
}

export const choose = (id: string): Middle => ({ chosen: id, popped: null });

/** One step back: first the popped caller goes, then the chosen one. */
export const back = (m: Middle): Middle => (m.popped ? { ...m, popped: null } : noMiddle);

/**
 * After a card has left the dock. A popped call that nobody talked on gives the place back
 * to what was there; one that was talked on stays readable until something else comes.
 */
export function settle(middle: Middle, call: Call | null, inDock: boolean): Middle {
  if (!middle.popped || inDock) return middle;
  if (!call) return { ...middle, popped: null };
  if (isLive(call)) return middle;
  return call.answered_at ? choose(call.id) : { ...middle, popped: null };
}

/** The next ringing call that is not shown yet: newest first, then round. */
export function nextRinging(ringing: readonly Call[], shown: string | null): Call | null {
  const at = ringing.findIndex((c) => c.id === shown);
  const next = ringing[(at + 1) % Math.max(ringing.length, 1)];
  return next && next.id !== shown ? next : null;
}
