import { describe, expect, it } from "vitest";
import { apply, cameBy, dockCalls, emptyState, finishedCalls, LEAVE_MS, mergeRows, openPop, prune, putMoment, type State } from "./state";
import { call, event, hello, snapshot, T0 } from "./fixtures";

const NOW = Date.parse(T0) + 60_000;

function live(...calls: ReturnType<typeof call>[]): State {
  const [greeted] = apply(emptyState(), hello({ seq: 10 }), NOW);
  return apply(greeted, snapshot(10, calls), NOW)[0];
}

describe("snapshot and events", () => {
  it("takes the calls of the snapshot and goes on after its number", () => {
    const state = live(call("a"));
    expect(state.seq).toBe(10);
    expect(dockCalls(state).map((c) => c.id)).toEqual(["a"]);
    const [next, outcome] = apply(state, event(11, "call.ring", call("b")), NOW);
    expect(outcome).toBe("applied");
    expect(Object.keys(next.calls).sort()).toEqual(["a", "b"]);
  });

  it("drops what it already has, and leaves the state as it was", () => {
    const state = live(call("a"));
    const [next, outcome] = apply(state, event(10, "call.ended", call("a", { status: "ended" })), NOW);
    expect(outcome).toBe("dropped");
    expect(next).toBe(state);
  });

  it("asks for a reconnect on a hole, applying nothing", () => {
    const state = live();
    const [next, outcome] = apply(state, event(13, "call.ring", call("b")), NOW);
    expect(outcome).toBe("gap");
    expect(next).toBe(state);
  });

  it("asks for a reconnect when the epoch changed", () => {
    expect(apply(live(), { ...event(11, "call.ring", call("b")), epoch: "other" }, NOW)[1]).toBe("gap");
  });

  it("ignores events until the snapshot is there, which contains them", () => {
    const [greeted] = apply(emptyState(), hello({ seq: 10 }), NOW);
    expect(apply(greeted, event(11, "call.ring", call("b")), NOW)[1]).toBe("dropped");
  });

  it("does not ask again for a hole the server vouched for when resuming", () => {
    const [resumed] = apply(live(), hello({ seq: 15, recovered: true }), NOW);
    const [a, first] = apply(resumed, event(12, "call.ring", call("b")), NOW);
    const [b, second] = apply(a, event(16, "call.ring", call("c")), NOW);
    expect([first, second]).toEqual(["applied", "applied"]);
    expect(apply(b, event(18, "call.ring", call("d")), NOW)[1]).toBe("gap");
  });

  it("forgets calls that are gone from a second snapshot, and keeps the finished ones", () => {
    const state = mergeRows(live(call("a")), [call("old", { status: "missed" })]);
    const [next] = apply(state, snapshot(40, [call("b")]), NOW);
    expect(Object.keys(next.calls).sort()).toEqual(["b", "old"]);
    expect(next.seq).toBe(40);
  });
});

describe("the life of a card", () => {
  it("keeps an ended card for four seconds, then lets it go to the list", () => {
    const [ended] = apply(live(call("a")), event(11, "call.missed", call("a", { status: "missed" })), NOW);
    expect(dockCalls(ended).map((c) => c.status)).toEqual(["missed"]);
    expect(prune(ended, NOW + LEAVE_MS - 1, 0)).toBe(ended);
    const gone = prune(ended, NOW + LEAVE_MS, 0);
    expect(dockCalls(gone)).toEqual([]);
    expect(finishedCalls(gone).map((c) => c.id)).toEqual(["a"]);
  });

  it("makes no card for a call it never saw live", () => {
    const [state] = apply(live(), event(11, "call.missed", call("a", { status: "missed" })), NOW);
    expect(dockCalls(state)).toEqual([]);
  });

  it("does not move a card when the call changes state", () => {
    const early = call("a", { rang_at: "2026-11-22T10:00:00.000Z" });
    const late = call("b", { rang_at: "2026-11-22T10:00:05.000Z" });
    const state = live(early, late);
    const order = (s: State): string[] => dockCalls(s).map((c) => c.id);
    expect(order(state)).toEqual(["b", "a"]);
    const [answered] = apply(state, event(11, "call.started", { ...late, status: "active" }), NOW);
    expect(order(answered)).toEqual(["b", "a"]);
    const [ended] = apply(answered, event(12, "call.ended", { ...late, status: "ended" }), NOW);
    expect(order(ended)).toEqual(["b", "a"]);
  });

  it("takes a merged call away at once", () => {
    const [state] = apply(live(call("a")), event(11, "call.updated", call("a", { merged_into: "b" })), NOW);
    expect(state.calls).toEqual({});
  });
});

describe("pops and connections", () => {
  it("keeps the candidates of a pop with the call", () => {
    const match = { id: "c1", name: "Ruben", organisation: null, certainty: "likely" as const, percent: 88, why: "work number" };
    const frame = event(11, "screen_pop.opened", call("a"), { action: "chooser", matches: [match], total: 3 });
    const [state] = apply(live(call("a")), frame, NOW);
    expect(state.pops["a"]).toEqual({ action: "chooser", matches: [match], total: 3 });
  });

  it("shows a degraded connection until it is restored", () => {
    const connection = { id: "x", platform: "wildix", name: "W", state: "silent", reason: null, since: null };
    const [bad] = apply(live(), event(11, "connection.degraded", null, { connection }), NOW);
    expect(Object.keys(bad.degraded)).toEqual(["x"]);
    const [good] = apply(bad, event(12, "connection.restored", null, { connection }), NOW);
    expect(good.degraded).toEqual({});
  });

  it("counts events without a call, so that they are no holes", () => {
    const [state, outcome] = apply(live(), event(11, "presence.changed", null), NOW);
    expect(outcome).toBe("applied");
    expect(apply(state, event(12, "call.ring", call("a")), NOW)[1]).toBe("applied");
  });
});

describe("rows of the list", () => {
  it("lets an event that overtook the answer win", () => {
    const newer = call("a", { status: "ended", updated_at: "2026-11-22T10:05:00.000Z", recording_url: "https://r" });
    const [state] = apply(live(call("a")), event(11, "call.ended", newer), NOW);
    const merged = mergeRows(state, [call("a", { status: "ended", updated_at: "2026-11-22T10:04:00.000Z" })]);
    expect(merged.calls["a"]?.recording_url).toBe("https://r");
  });

  it("makes no card from a live row which the socket does not know", () => {
    expect(mergeRows(live(), [call("a", { status: "active" })]).calls).toEqual({});
  });

  it("drops the rows of yesterday at midnight, and never a live call", () => {
    const state = mergeRows(live(call("b")), [call("a", { status: "missed" })]);
    const next = prune(state, NOW, Date.parse("2026-11-23T00:00:00Z"));
    expect(Object.keys(next.calls)).toEqual(["b"]);
  });

  it("sums up what came by while the link was lost", () => {
    const at = (s: number): string => new Date(NOW + s * 1000).toISOString();
    const state = mergeRows(live(), [
      call("a", { status: "missed", started_at: at(1) }),
      call("b", { status: "ended", started_at: at(2), answered_at: at(5) }),
      call("c", { status: "missed", started_at: at(-100) }),
    ]);
    expect(cameBy(state, NOW)).toEqual({ total: 2, answered: 1, missed: 1 });
  });
});

describe("contact moments within calls", () => {
  const moment = (version: number, more: object = {}) => ({
    id: "a", status: "pending" as const, subject: null, outcome: null, notes: null, suggested_outcome: null, version, wrap_up_until: null, edited_at: null,
    completed_at: null, completed_by: null, task_id: null, ...more,
  });

  it("takes the later version and leaves an older one", () => {
    const state = live(call("a", { contact_moment: moment(2, { notes: "two" }) }));
    expect(putMoment(state, moment(1, { notes: "one" })).calls["a"]?.contact_moment?.notes).toBe("two");
    expect(putMoment(state, moment(3, { notes: "three" })).calls["a"]?.contact_moment?.notes).toBe("three");
    expect(putMoment(state, { ...moment(9), id: "unknown" })).toBe(state);
  });

  it("takes the moment that an event tells beside the call", () => {
    const [state] = apply(live(call("a")), event(11, "contact_moment.opened", call("a"), { contact_moment: moment(4) }), NOW);
    expect(state.calls["a"]?.contact_moment?.version).toBe(4);
  });

  it("keeps the card of a call that is still worked on", () => {
    const state = live(call("a"));
    const [ended] = apply(state, event(11, "call.ended", call("a", { status: "ended" })), NOW);
    const later = prune(ended, NOW + LEAVE_MS + 1, 0);
    expect(dockCalls(later)).toEqual([]);
    expect(dockCalls(later, new Set(["a"])).map((c) => c.id)).toEqual(["a"]);
  });

  it("asks who it is until one person is left, or somebody has said", () => {
    const match = (id: string, total: number) => ({ id, name: id, organisation: null, certainty: "likely" as const, percent: 80, why: null, total });
    const of = call("a", { contact: match("x", 2) });
    const [state] = apply(live(of), event(11, "screen_pop.opened", of, { action: "chooser", matches: [match("x", 2), match("y", 2)], total: 2 }), NOW);
    expect(openPop(state, of)?.matches.length).toBe(2);
    expect(openPop(state, { ...of, contact: match("y", 1) })).toBeNull();
    expect(openPop({ ...state, chosen: { a: true } }, of)).toBeNull();
  });
});
