// Which controls a call gets, from what the server says is possible. What a platform cannot do
// has no control and is told apart; what cannot be done now has one that says why not.

import { isLive } from "./state";
import type { ActionState, Call } from "./types";

/** A control of a call. One control may stand for two commands, of which one makes sense. */
export type Tool = "answer" | "reject" | "hangup" | "hold" | "resume" | "transfer" | "dtmf" | "mute" | "unmute" | "park" | "recording";

export interface ToolState {
  tool: Tool;
  possible: boolean;
  /** Why not, for the agent. */
  reason: string | null;
}

/** What this page has done to a call and the record does not tell. */
export interface Done {
  muted: boolean;
  paused: boolean;
}

export const nothingDone: Done = { muted: false, paused: false };

const NOT_SUPPORTED = "not_supported";

/** In the order in which they are drawn. */
const RINGING: readonly Tool[] = ["answer", "reject"];
const DIALLING: readonly Tool[] = ["hangup"];
const TALKING: readonly Tool[] = ["hold", "resume", "transfer", "dtmf", "mute", "unmute", "park", "recording", "hangup"];

/** The controls that make sense for a call in its state, whatever its platform can do. */
export function wanted(call: Call, done: Done): Tool[] {
  if (!isLive(call)) return [];
  if (call.status === "ringing") return [...(call.direction === "outbound" ? DIALLING : RINGING)];
  return TALKING.filter((tool) => {
    if (tool === "hold") return call.status !== "held";
    if (tool === "resume") return call.status === "held";
    if (tool === "mute") return !done.muted;
    if (tool === "unmute") return done.muted;
    return true;
  });
}

/** The controls to draw. */
export function toolsOf(call: Call, actions: readonly ActionState[], done: Done): ToolState[] {
  return wanted(call, done).flatMap((tool) => {
    const state = actions.find((a) => a.action === tool);
    if (!state || state.code === NOT_SUPPORTED) return [];
    return [{ tool, possible: state.possible, reason: state.possible ? null : (state.reason ?? null) }];
  });
}

/** What this platform cannot do at all, one entry for each reason. */
export function lacking(actions: readonly ActionState[]): { actions: string[]; reason: string | null }[] {
  const found = new Map<string, string[]>();
  for (const state of actions) {
    if (state.possible || state.code !== NOT_SUPPORTED) continue;
    // Resume and unmute go with hold and mute: said once.
    if (state.action === "resume" || state.action === "unmute") continue;
    const reason = state.reason ?? "";
    found.set(reason, [...(found.get(reason) ?? []), state.action]);
  }
  return [...found].map(([reason, names]) => ({ actions: names, reason: reason === "" ? null : reason }));
}

/** Whether that kind of transfer can be asked for; an answer that tells no kinds allows both. */
export function canTransfer(kind: "blind" | "attended", actions: readonly ActionState[]): boolean {
  const own = actions.find((a) => a.action === "transfer");
  return own?.possible === true && (own.kinds === undefined || own.kinds.includes(kind));
}

/**
 * The call a function key is for: the one that is shown, else the only one the key could mean.
 * `can` says null as long as it is not known: such a call could be meant as well.
 */
export function keyCall(tool: Tool, shown: Call | null, calls: readonly Call[], can: (call: Call) => boolean | null): Call | null {
  if (shown && isLive(shown) && can(shown)) return shown;
  const live = calls.filter(isLive);
  const fitting = live.filter((call) => can(call));
  // Answering takes the first that rings; anything else must not guess.
  if (tool === "answer") return fitting.at(-1) ?? null;
  const meant = live.filter((call) => can(call) !== false);
  return meant.length === 1 ? (fitting[0] ?? null) : null;
}
