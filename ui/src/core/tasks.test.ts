import { describe, expect, it } from "vitest";
import { distance, groupOf, grouped, isOverdue, matches, order, putTasks, triesInVain } from "./tasks";
import type { Attempt, Task } from "./types";

const NOW = new Date(2026, 10, 23, 16, 30).getTime();
const author = { kind: "agent" as const, id: "a", name: "Ada" };
const iso = (minutes: number): string => new Date(NOW + minutes * 60_000).toISOString();
const task = (id: string, more: Partial<Task> = {}): Task => ({
  id, version: 1, type: "terugbelverzoek", status: "open", priority: "normaal", subject: id, description: null, deadline: null, assignee: null, queue: null,
  contact: null, call_id: null, callback_number: null, callback_display: null, preferred_from: null, preferred_to: null, source: "hand", attempts: [],
  suggest_close: false, created_at: iso(-600), created_by: author, updated_at: iso(-600), completed_at: null, completed_by: null, result: null, ...more,
});
const dayStart = new Date(2026, 10, 23).getTime();

describe("order", () => {
  it("is by deadline, then by priority, then the oldest; what has no deadline comes last", () => {
    const rows = [task("none"), task("low", { deadline: iso(10), priority: "laag" }), task("high", { deadline: iso(10), priority: "hoog" }), task("first", { deadline: iso(5), priority: "laag" }), task("old", { deadline: iso(10), priority: "laag", created_at: iso(-900) })];
    expect(rows.sort(order).map((t) => t.id)).toEqual(["first", "high", "old", "low", "none"]);
  });
});

describe("groups", () => {
  it("tells overdue from today, later, without a deadline and done", () => {
    expect(groupOf(task("1", { deadline: iso(-1) }), NOW)).toBe("overdue");
    expect(groupOf(task("1", { deadline: iso(1) }), NOW)).toBe("today");
    expect(groupOf(task("1", { deadline: iso(600) }), NOW)).toBe("later");
    expect(groupOf(task("1"), NOW)).toBe("none");
    expect(groupOf(task("1", { deadline: iso(-1), status: "afgerond" }), NOW)).toBe("done");
    expect(isOverdue(task("1", { deadline: iso(-1), status: "verlopen" }), NOW)).toBe(false);
  });
  it("keeps what was done today until midnight, and leaves out empty headings", () => {
    const rows = [task("late", { deadline: iso(-5) }), task("done", { status: "afgerond", completed_at: iso(-30) }), task("yesterday", { status: "afgerond", completed_at: iso(-1440) })];
    expect(grouped(rows, "all", null, NOW, dayStart).map((g) => [g.group, g.rows.map((t) => t.id)])).toEqual([["overdue", ["late"]], ["done", ["done"]]]);
  });
});

describe("filters", () => {
  const mine = task("m", { assignee: { id: "a", name: "Ada" } });
  it("shows mine, nobody's, and all", () => {
    expect(matches(mine, "mine", "a")).toBe(true);
    expect(matches(mine, "mine", null)).toBe(false);
    expect(matches(mine, "unassigned", "a")).toBe(false);
    expect(matches(task("f"), "unassigned", "a")).toBe(true);
    expect(matches(mine, "all", "b")).toBe(true);
  });
});

describe("what is known", () => {
  it("is never replaced by an older version", () => {
    const known = putTasks({}, [task("1", { version: 3, subject: "new" })]);
    expect(putTasks(known, [task("1", { version: 2, subject: "old" })])["1"]?.subject).toBe("new");
    expect(putTasks(known, [task("1", { version: 4, subject: "newer" })])["1"]?.subject).toBe("newer");
  });
  it("counts tries in vain and tells how far a deadline is", () => {
    const tried = (result: Attempt["result"]): Attempt => ({ at: iso(-1), result, notes: null, by: author });
    expect(triesInVain(task("1", { attempts: [tried("geen_gehoor"), tried("bereikt"), tried("voicemail")] }))).toBe(2);
    expect(distance(iso(-32), NOW)).toEqual({ late: true, n: 32, unit: "minutes" });
    expect(distance(iso(150), NOW)).toEqual({ late: false, n: 2, unit: "hours" });
    expect(distance(iso(6 * 1440), NOW)).toEqual({ late: false, n: 6, unit: "days" });
  });
});
