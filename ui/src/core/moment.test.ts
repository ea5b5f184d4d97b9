import { describe, expect, it } from "vitest";
import { call as make, T0 } from "./fixtures";
import {
  addDays, at, bodyOf, dayChoices, dayOf, dueAt, followFault, freshFollowUp, isMine, isWritable, lacksOf, opening, outcomesOf, taskOf, wrapUp, wrapUpEnd,
  workingTime, type FollowUp,
} from "./moment";
import type { Hours, Moment, WorkSettings } from "./types";

const moment = (more: Partial<Moment> = {}): Moment => ({
  id: "1", status: "disposition-pending", subject: null, outcome: null, notes: null, suggested_outcome: null, version: 1, wrap_up_until: null,
  edited_at: null, completed_at: null, completed_by: null, task_id: null, ...more,
});
const hours: Hours = { time_zone: "Europe/Amsterdam", open: [{ days: [1, 2, 3, 4], from: "08:30:00", to: "17:00:00" }, { days: [5], from: "09:00:00", to: "12:30:00" }], holidays: ["2026-12-25"] };
const settings = { outcomes: [{ code: "visit", label: "Visit", task: null }], escalation_queue: "second", wrap_up_seconds: 90 } as unknown as WorkSettings;
const text = (subject: string, notes = "", outcome: string | null = null) => ({ subject, notes, outcome });

describe("outcomes", () => {
  it("puts the app's own after the built-in ones, also when the server names none of those", () => {
    expect(outcomesOf(settings).map((o) => o.code)).toEqual(["resolved", "callback", "escalated", "wrong-number", "no-answer", "abandoned", "visit"]);
    expect(outcomesOf({ ...settings, built_in_outcomes: [{ code: "a", label: "A", task: null }] }).map((o) => o.code)).toEqual(["a", "visit"]);
  });
});

describe("the text in the form", () => {
  it("clears with null what is empty, and keeps notes as they were typed", () => {
    expect(bodyOf(text("  ", " a\n "))).toEqual({ subject: null, outcome: null, notes: " a\n " });
  });
  it("is the server's when nothing is kept here", () => {
    expect(opening(moment({ subject: "S", notes: "N" }), null)).toEqual({ text: text("S", "N"), other: null });
  });
  it("is what was kept when the server still has what it was written on", () => {
    const kept = { text: text("S", "N, and more"), base: text("S", "N"), at: 5 };
    expect(opening(moment({ subject: "S", notes: "N" }), kept)).toEqual({ text: kept.text, other: null });
  });
  it("is the later one of two that differ, and the earlier is not lost", () => {
    const kept = { text: text("S", "here"), base: text("S", ""), at: Date.parse(T0) };
    const later = moment({ subject: "S", notes: "there", edited_at: "2026-11-22T10:00:01Z" });
    expect(opening(later, kept)).toEqual({ text: text("S", "there"), other: { text: kept.text, at: kept.at } });
    const earlier = moment({ subject: "S", notes: "there", edited_at: "2026-11-22T09:00:00Z" });
    expect(opening(earlier, kept)).toEqual({ text: kept.text, other: { text: text("S", "there"), at: Date.parse("2026-11-22T09:00:00Z") } });
  });
  it("says what is missing: first the subject, then the outcome", () => {
    expect(lacksOf(text(" "))).toBe("subject");
    expect(lacksOf(text("a"))).toBe("outcome");
    expect(lacksOf(text("a", "", "resolved"))).toBeNull();
  });
});

describe("whose call it is", () => {
  const agent = (id: string | null, extension: string | null) => ({ id, extension, user_id: null, email: null, name: null });
  it("goes by the agent, else by the extension, and never by nothing", () => {
    expect(isMine(make("1", { agent: agent("a", "100") }), { agent: "a", extension: "" })).toBe(true);
    expect(isMine(make("1", { agent: agent("b", "100") }), { agent: "a", extension: "100" })).toBe(false);
    expect(isMine(make("1", { agent: agent(null, "100") }), { agent: "a", extension: "100" })).toBe(true);
    expect(isMine(make("1", { agent: agent(null, null) }), { agent: null, extension: "" })).toBe(false);
    expect(isMine(make("1"), { agent: "a", extension: "100" })).toBe(false);
  });
  it("has something to write from the answer until it is completed", () => {
    const pending = moment({ status: "pending" });
    expect(isWritable(make("1", { contact_moment: pending }))).toBe(false);
    expect(isWritable(make("1", { status: "held", contact_moment: pending }))).toBe(true);
    expect(isWritable(make("1", { status: "ended", contact_moment: moment() }))).toBe(true);
    expect(isWritable(make("1", { status: "ended", contact_moment: moment({ status: "completed" }) }))).toBe(false);
    expect(isWritable(make("1", { status: "active" }))).toBe(false);
  });
});

describe("wrap-up", () => {
  const ended = make("1", { status: "ended", ended_at: T0, contact_moment: moment() });
  const end = Date.parse(T0) + 90_000;
  it("ends by the settings, or by what was asked for", () => {
    expect(wrapUpEnd(ended, 90)).toBe(end);
    expect(wrapUpEnd(ended, 0)).toBeNull();
    expect(wrapUpEnd({ ...ended, contact_moment: moment({ wrap_up_until: "2026-11-22T11:00:00Z" }) }, 0)).toBe(Date.parse("2026-11-22T11:00:00Z"));
    expect(wrapUpEnd({ ...ended, status: "voicemail" }, 90)).toBeNull();
    expect(wrapUpEnd({ ...ended, contact_moment: moment({ status: "completed" }) }, 90)).toBeNull();
  });
  it("counts down and is over", () => {
    expect(wrapUp(end, false, 0, end - 30_000)).toEqual({ left: 30_000, stopped: false });
    expect(wrapUp(end, false, 0, end)).toBeNull();
  });
  it("stops at 0:10 while somebody types, until 20 s of quiet, then goes on from there", () => {
    const typed = end - 5_000;
    expect(wrapUp(end, false, typed, end - 15_000)?.stopped).toBe(false);
    expect(wrapUp(end, false, typed, end - 4_000)).toEqual({ left: 10_000, stopped: true });
    expect(wrapUp(end, false, typed, typed + 19_000)).toEqual({ left: 10_000, stopped: true });
    expect(wrapUp(end, false, typed, typed + 22_000)).toEqual({ left: 8_000, stopped: false });
    expect(wrapUp(end, false, typed, typed + 30_000)).toBeNull();
  });
  it("never jumps up because of typing", () => {
    let last = Number.POSITIVE_INFINITY;
    for (let now = end - 40_000; now < end + 40_000; now += 1_000) {
      const left = wrapUp(end, false, Math.min(now, end - 3_000), now)?.left ?? 0;
      expect(left).toBeLessThanOrEqual(last);
      last = left;
    }
  });
  it("is not counted when the agent stays until done", () => {
    expect(wrapUp(end + 3_000_000, true, 0, end)).toEqual({ left: null, stopped: false });
    expect(wrapUp(end + 3_000_000, false, 0, end)?.left).toBe(3_000_000);
  });
});

describe("what follows", () => {
  const monday = at("2026-11-23", "10:00");
  const follow: FollowUp = { day: "2026-11-26", from: "18:30", to: "19:30", number: "+31612345678", who: "me", queue: "second", priority: "hoog" };
  it("knows the working times of a day", () => {
    expect(workingTime("2026-11-27", hours)).toEqual({ open: "09:00", close: "12:30" });
    expect(workingTime("2026-11-28", hours)).toBeNull();
    expect(workingTime("2026-12-25", hours)).toBeNull();
    expect(workingTime("2026-11-27", { ...hours, open: [{ days: [5], from: "08:00:00", to: "00:00:00" }] })?.close).toBe("23:59");
    expect(workingTime("2026-11-27", null)).toEqual({ open: "09:00", close: "17:00" });
  });
  it("offers today while it lasts, the next working day and one in a week", () => {
    expect(dayChoices(monday, hours).map((c) => [c.id, c.day])).toEqual([["today", "2026-11-23"], ["next", "2026-11-24"], ["week", "2026-11-30"]]);
    expect(dayChoices(at("2026-11-27", "12:15"), hours).map((c) => [c.id, c.day])).toEqual([["next", "2026-11-30"], ["week", "2026-12-04"]]);
  });
  it("crosses the end of summer time without losing a day", () => {
    expect(addDays("2026-10-24", 2)).toBe("2026-10-26");
    expect(dayOf(at("2026-10-25", "00:30"))).toBe("2026-10-25");
  });
  it("is due at the end of the wished time, else at the end of the day's work", () => {
    expect(dueAt(follow, hours)).toBe(at("2026-11-26", "19:30"));
    expect(dueAt({ ...follow, to: "" }, hours)).toBe(at("2026-11-26", "17:00"));
  });
  it("says what is wrong with it", () => {
    expect(followFault(follow, monday, hours)).toBeNull();
    expect(followFault({ ...follow, day: "" }, monday, hours)).toBe("day");
    expect(followFault({ ...follow, day: "2026-11-20" }, monday, hours)).toBe("past");
    expect(followFault({ ...follow, from: "20:00" }, monday, hours)).toBe("window");
    expect(followFault({ ...follow, number: " " }, monday, hours)).toBe("number");
  });
  it("makes a call back for me, for a queue, a task for a queue, or nothing", () => {
    const iso = (time: string) => new Date(at("2026-11-26", time)).toISOString();
    const whole = { priority: "hoog", deadline: iso("19:30"), preferred_from: iso("18:30"), preferred_to: iso("19:30"), callback_number: "+31612345678" };
    expect(taskOf("terugbelverzoek", follow, hours, "a")).toEqual({ ...whole, assignee_agent_id: "a" });
    expect(taskOf("terugbelverzoek", { ...follow, who: "queue" }, hours, "a")).toEqual({ ...whole, queue: "second" });
    expect(taskOf("opvolgtaak", follow, hours, "a")).toEqual({ priority: "hoog", queue: "second" });
    expect(taskOf(null, follow, hours, "a")).toBeNull();
  });
  it("begins with the caller's number and the next working day", () => {
    expect(freshFollowUp(make("1", { queue: "support" }), "+316", monday, { ...settings, hours } as WorkSettings, true)).toMatchObject({ day: "2026-11-24", number: "+316", who: "me", queue: "support" });
    expect(freshFollowUp(make("1"), null, monday, { ...settings, hours } as WorkSettings, false)).toMatchObject({ number: "", who: "queue", queue: "second" });
  });
});
