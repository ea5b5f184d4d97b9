// A call told in order, from the times the platform gave. Codes and values, no words.

import { agentWho, legWho, type Who } from "./format";
import { ms } from "./state";
import type { Call } from "./types";

export type EntryCode =
  | "in"
  | "out"
  | "internal"
  | "rang"
  | "answered"
  | "not_answered"
  | "hold"
  | "transfer"
  | "ended"
  | "missed"
  | "rejected"
  | "to_voicemail"
  | "recording";

export interface Entry {
  code: EntryCode;
  at: string | null;
  who?: Who[];
  /** Seconds, when the entry has a length. */
  seconds?: number | null;
  /** Set while the length still grows. */
  runningSince?: string;
  cause?: string | null;
  hangup?: number | null;
  endedBy?: Call["ended_by"];
  kind?: string;
  to?: string | null;
}

const RANK: Record<EntryCode, number> = {
  in: 0,
  out: 0,
  internal: 0,
  rang: 1,
  not_answered: 2,
  answered: 3,
  hold: 4,
  transfer: 5,
  ended: 8,
  missed: 8,
  rejected: 8,
  to_voicemail: 8,
  recording: 9,
};

export function timeline(call: Call): Entry[] {
  const entries: Entry[] = [];
  const opening = call.direction === "outbound" ? "out" : call.direction === "internal" ? "internal" : "in";
  entries.push({ code: opening, at: call.started_at ?? call.rang_at ?? call.created_at });
  if (call.direction === "outbound") entries.push(...farSide(call));
  else entries.push(...rings(call), ...answers(call));

  for (const hold of call.holds) {
    entries.push(
      hold.to
        ? { code: "hold", at: hold.from, seconds: Math.max(0, (ms(hold.to) - ms(hold.from)) / 1000) }
        : { code: "hold", at: hold.from, runningSince: hold.from },
    );
  }
  for (const t of call.transfers) entries.push({ code: "transfer", at: t.at, kind: t.kind, to: t.to });

  const end = ending(call);
  if (end) entries.push(end);
  for (const r of call.recordings) {
    if (r.state === "available" && call.ended_at) entries.push({ code: "recording", at: call.ended_at, seconds: r.duration_seconds });
  }
  return entries.sort((a, b) => ms(a.at) - ms(b.at) || RANK[a.code] - RANK[b.code]);
}

/** Outbound, the phones of the agents tell nothing: what counts is the far side. */
function farSide(call: Call): Entry[] {
  const entries: Entry[] = [];
  if (call.rang_at) entries.push({ code: "rang", at: call.rang_at, who: [] });
  if (call.answered_at) entries.push({ code: "answered", at: call.answered_at, who: [] });
  return entries;
}

/** One line per moment: four phones that start ringing together are one thing that happened. */
function rings(call: Call): Entry[] {
  const groups = new Map<number, Entry>();
  for (const leg of call.legs) {
    if (leg.kind !== "agent" || !leg.rang_at) continue;
    const second = Math.floor(ms(leg.rang_at) / 1000);
    const group = groups.get(second);
    if (group) group.who?.push(legWho(leg));
    else groups.set(second, { code: "rang", at: leg.rang_at, who: [legWho(leg)] });
  }
  if (groups.size === 0 && call.rang_at) {
    const who = agentWho(call);
    return [{ code: "rang", at: call.rang_at, who: who ? [who] : [] }];
  }
  return [...groups.values()];
}

function answers(call: Call): Entry[] {
  const entries: Entry[] = [];
  let answeredByAgent = false;
  for (const leg of call.legs) {
    if (leg.kind !== "agent") continue;
    if (leg.answered_at) {
      answeredByAgent = true;
      entries.push({ code: "answered", at: leg.answered_at, who: [legWho(leg)] });
    } else if (leg.ended_at && leg.end_cause && ["busy", "no_answer", "rejected", "unreachable"].includes(leg.end_cause)) {
      entries.push({ code: "not_answered", at: leg.ended_at, who: [legWho(leg)], cause: leg.end_cause });
    }
  }
  if (!answeredByAgent && call.answered_at) {
    const who = agentWho(call);
    entries.push({ code: "answered", at: call.answered_at, who: who ? [who] : [] });
  }
  return entries;
}

function ending(call: Call): Entry | null {
  const base = {
    at: call.ended_at ?? call.updated_at,
    cause: call.end_cause,
    hangup: call.hangup_cause,
    endedBy: call.ended_by,
  };
  switch (call.status) {
    case "ended":
      return { code: "ended", ...base };
    case "missed":
      return { code: "missed", ...base, seconds: call.ring_seconds };
    case "rejected":
      return { code: "rejected", ...base };
    case "voicemail":
      return { code: "to_voicemail", ...base, seconds: call.voicemail?.duration_seconds ?? null };
    default:
      return null;
  }
}
