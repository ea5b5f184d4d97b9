// Contact moments: what is written of a call, when it is written, and what completing will do.
// Pure: times and texts in, decisions out.

import { isLive, ms } from "./state";
import type { Call, Hours, Moment, Outcome, TaskKind, TaskPriority, WorkSettings } from "./types";

export const MAX_SUBJECT = 255;
export const MAX_NOTES = 10_000;

// ---- outcomes -------------------------------------------------------------------------

const BUILT_IN: readonly Outcome[] = [
  { code: "resolved", label: "Resolved", task: null },
  { code: "callback", label: "Call back", task: "terugbelverzoek" },
  { code: "escalated", label: "Escalate", task: "opvolgtaak" },
  { code: "wrong-number", label: "Wrong number", task: null },
  { code: "no-answer", label: "No answer", task: null },
  { code: "abandoned", label: "Abandoned", task: null },
];

/** The built-in ones in their order, then the app's own. */
export const outcomesOf = (settings: WorkSettings | null): readonly Outcome[] => [
  ...(settings?.built_in_outcomes ?? BUILT_IN),
  ...(settings?.outcomes ?? []),
];

// ---- the text ---------------------------------------------------------------------------

export interface Text {
  subject: string;
  notes: string;
  outcome: string | null;
}

export const textOf = (moment: Moment): Text => ({ subject: moment.subject ?? "", notes: moment.notes ?? "", outcome: moment.outcome });
export const sameText = (a: Text, b: Text): boolean => a.subject === b.subject && a.notes === b.notes && a.outcome === b.outcome;
export const hasText = (text: Text): boolean => text.subject.trim() !== "" || text.notes.trim() !== "";
/** As the server takes it: null clears. */
export const bodyOf = (text: Text): { subject: string | null; outcome: string | null; notes: string | null } => ({
  subject: text.subject.trim() === "" ? null : text.subject,
  outcome: text.outcome,
  notes: text.notes === "" ? null : text.notes,
});

/** A copy on this device that the server has not confirmed. */
export interface Kept {
  text: Text;
  /** What the server had when this was written. */
  base: Text;
  at: number;
}

/**
 * What stands in the form when it is opened: the later of the two texts. The earlier one is kept
 * as the other version, unless it says nothing that is not there already.
 */
export function opening(moment: Moment, kept: Kept | null): { text: Text; other: { text: Text; at: number } | null } {
  const theirs = textOf(moment);
  if (!kept || sameText(kept.text, theirs)) return { text: theirs, other: null };
  if (sameText(kept.base, theirs) || !hasText(theirs)) return { text: kept.text, other: null };
  const theirsAt = ms(moment.edited_at);
  if (theirsAt > kept.at) return { text: theirs, other: { text: kept.text, at: kept.at } };
  return { text: kept.text, other: { text: theirs, at: theirsAt } };
}

// ---- whose, and where it stands -----------------------------------------------------------

export interface Own {
  agent: string | null;
  extension: string;
}

export function isMine(call: Call, own: Own): boolean {
  const agent = call.agent;
  if (!agent) return false;
  if (own.agent !== null && agent.id !== null) return agent.id === own.agent;
  return own.extension !== "" && agent.extension === own.extension;
}

export const awaits = (call: Call): boolean => call.contact_moment?.status === "disposition-pending";

/** There is something to write: somebody talks, or talked and has not said what it was about. */
export const isWritable = (call: Call): boolean => {
  if (!call.contact_moment) return false;
  return isLive(call) ? call.status !== "ringing" : awaits(call);
};

// ---- wrap-up ------------------------------------------------------------------------------

/** Typing stops the clock here, until nobody has typed for the second time. */
export const STOP_AT_MS = 10_000;
export const QUIET_MS = 20_000;
/** “Until done” asks for nearly the hour that the server grants, again and again. */
export const STAY_MS = 59 * 60_000;
/** What was asked for and is further away than this is not counted down. */
export const UNCOUNTED_MS = 30 * 60_000;

/** When the wrap-up of a call ends by the settings or by what the agent asked for; null for none. */
export function wrapUpEnd(call: Call, seconds: number): number | null {
  const moment = call.contact_moment;
  if (!moment || !awaits(call) || call.status === "voicemail" || !call.ended_at) return null;
  if (moment.wrap_up_until) return ms(moment.wrap_up_until);
  return seconds > 0 ? ms(call.ended_at) + seconds * 1000 : null;
}

export interface WrapUp {
  /** Milliseconds; null for “until done”. */
  left: number | null;
  /** Somebody types: the clock waits. */
  stopped: boolean;
}

/** Null when it is over. `asked`: the agent chose the end. */
export function wrapUp(end: number, asked: boolean, typedAt: number, now: number): WrapUp | null {
  if (asked && end - now > UNCOUNTED_MS) return { left: null, stopped: false };
  const last = typedAt > 0 ? Math.max(end, typedAt + QUIET_MS + STOP_AT_MS) : end;
  if (last <= now) return null;
  if (typedAt > 0 && end - now < STOP_AT_MS && now - typedAt < QUIET_MS) return { left: STOP_AT_MS, stopped: true };
  return { left: last - now, stopped: false };
}

// ---- what follows ---------------------------------------------------------------------------

export interface FollowUp {
  /** “2026-11-26”, in the person's own days. */
  day: string;
  from: string;
  to: string;
  number: string;
  who: "me" | "queue";
  queue: string;
  priority: TaskPriority;
}

const two = (n: number): string => String(n).padStart(2, "0");
export const dayOf = (at: number): string => {
  const d = new Date(at);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
};
/** Noon of a day, which no change of the clock moves into another one. */
const noon = (day: string): Date => new Date(`${day}T12:00:00`);
export const addDays = (day: string, n: number): string => {
  const d = noon(day);
  d.setDate(d.getDate() + n);
  return dayOf(d.getTime());
};

const OTHERWISE = { open: "09:00", close: "17:00" };

/** When work begins and ends on a day; null when nobody works. Without hours set: Monday to Friday. */
export function workingTime(day: string, hours: Hours | null): { open: string; close: string } | null {
  const weekday = noon(day).getDay() || 7;
  if (hours?.holidays.includes(day)) return null;
  if (!hours || hours.open.length === 0) return weekday < 6 ? OTHERWISE : null;
  const parts = hours.open.filter((part) => part.days.includes(weekday));
  if (parts.length === 0) return null;
  return {
    open: parts.map((part) => part.from.slice(0, 5)).sort()[0] ?? OTHERWISE.open,
    // Midnight as an end is the day's last minute, not its first.
    close: parts.map((part) => (part.to.startsWith("00:00") ? "23:59" : part.to.slice(0, 5))).sort().at(-1) ?? OTHERWISE.close,
  };
}

/** A time of a day as a moment; NaN for what is not one. */
export const at = (day: string, time: string): number => Date.parse(`${day}T${time}`);

/** Working days worth offering: today while it lasts, the next one, and one in a week. */
export function dayChoices(now: number, hours: Hours | null): { id: "today" | "next" | "week"; day: string; at: string }[] {
  const today = dayOf(now);
  const found: { id: "today" | "next" | "week"; day: string; at: string }[] = [];
  const open = workingTime(today, hours);
  if (open && at(today, open.close) - now > 30 * 60_000) found.push({ id: "today", day: today, at: open.close });
  const from = (day: string): string | null => {
    for (let n = 0; n < 31; n += 1) if (workingTime(addDays(day, n), hours)) return addDays(day, n);
    return null;
  };
  const next = from(addDays(today, 1));
  if (next) found.push({ id: "next", day: next, at: workingTime(next, hours)?.close ?? OTHERWISE.close });
  const week = from(addDays(today, 7));
  if (week && week !== next) found.push({ id: "week", day: week, at: workingTime(week, hours)?.close ?? OTHERWISE.close });
  return found;
}

export function freshFollowUp(call: Call, number: string | null, now: number, settings: WorkSettings | null, hasAgent: boolean): FollowUp {
  const choices = dayChoices(now, settings?.hours ?? null);
  return {
    day: (choices.find((c) => c.id === "next") ?? choices[0])?.day ?? addDays(dayOf(now), 1),
    from: "",
    to: "",
    number: number ?? "",
    who: hasAgent ? "me" : "queue",
    queue: call.queue ?? settings?.escalation_queue ?? "",
    priority: "normaal",
  };
}

/** By when a call back is due: the end of the wished time, else the end of that day's work. */
export const dueAt = (follow: FollowUp, hours: Hours | null): number =>
  at(follow.day, follow.to || workingTime(follow.day, hours)?.close || OTHERWISE.close);

export type FollowFault = "day" | "past" | "window" | "number";

/** What is wrong with the fields of a call back. */
export function followFault(follow: FollowUp, now: number, hours: Hours | null): FollowFault | null {
  const due = dueAt(follow, hours);
  if (Number.isNaN(due)) return "day";
  if (due <= now) return "past";
  if (follow.from && at(follow.day, follow.from) >= due) return "window";
  if (follow.number.trim() === "") return "number";
  return null;
}

const iso = (time: number): string => new Date(time).toISOString();

/** What the disposition says of the task; null where the outcome makes none. */
export function taskOf(kind: TaskKind | null, follow: FollowUp, hours: Hours | null, agent: string | null): Record<string, unknown> | null {
  if (kind === null) return null;
  const task: Record<string, unknown> = { priority: follow.priority };
  if (kind === "terugbelverzoek") {
    task["deadline"] = iso(dueAt(follow, hours));
    if (follow.from) task["preferred_from"] = iso(at(follow.day, follow.from));
    if (follow.to) task["preferred_to"] = iso(at(follow.day, follow.to));
    task["callback_number"] = follow.number.trim();
    if (follow.who === "me" && agent) {
      task["assignee_agent_id"] = agent;
      return task;
    }
  }
  if (follow.queue.trim() !== "") task["queue"] = follow.queue.trim();
  return task;
}

/** What keeps Complete from being pressed. */
export const lacksOf = (text: Text): "subject" | "outcome" | null =>
  text.subject.trim() === "" ? "subject" : text.outcome === null ? "outcome" : null;
