import { describe, expect, it } from "vitest";
import { Clock, duration, elapsed } from "./clock";
import { rangFor, runningSince, talkedFor } from "./durations";
import { call, leg, T0 } from "./fixtures";
import { alsoRinging, caller, cleanName, initials, platformName } from "./format";
import { timeline } from "./timeline";

const contact = { id: "1", name: "Mevrouw A. Jansen", organisation: null, certainty: "certain" as const, percent: 100, why: null, total: 1 };

describe("clock", () => {
  it("writes durations", () => {
    expect([0, 7, 65, 3723, -3].map(duration)).toEqual(["0:00", "0:07", "1:05", "1:02:03", "0:00"]);
    expect(elapsed(10_000, 9_000)).toBe(0);
  });

  it("prefers the shortest trip, and any answered ping over a push", () => {
    const clock = new Clock();
    clock.pushed(100_000, 105_000);
    expect(clock.toServer(100_000)).toBe(105_000);
    clock.sample(100_000, 100_040, 104_000);
    expect(clock.toServer(100_020)).toBe(104_000);
    clock.sample(101_000, 101_900, 190_000);
    expect(clock.toServer(100_020)).toBe(104_000);
  });

  it("believes a new sample after a sleep", () => {
    const clock = new Clock();
    clock.sample(0, 10, 5);
    clock.sample(600_000, 601_000, 700_500);
    expect(clock.toServer(600_500)).toBe(700_500);
  });
});

describe("who is calling", () => {
  it("takes the contact, else the name of the network, else nobody", () => {
    expect(caller(call("a", { contact })).name).toBe("Mevrouw A. Jansen");
    const from = { number: "+31612345678", raw: null, kind: "public" as const, display: "+31 6 12345678", name: "Jan" };
    expect(caller(call("a", { from }))).toMatchObject({ known: "network", name: "Jan" });
    expect(caller(call("a", { from: { ...from, name: "+31612345678" } })).known).toBe("unknown");
  });

  it("says when a number is withheld", () => {
    const from = { number: null, raw: "anonymous", kind: "withheld" as const, display: null, name: null };
    expect(caller(call("a", { from, from_number: null }))).toMatchObject({ known: "withheld", number: null });
  });

  it("looks at the other side of an outbound call", () => {
    expect(caller(call("a", { direction: "outbound" })).number).toBe("+31 20 123 4567");
  });

  it("takes away signs that turn or hide text, and keeps emoji together", () => {
    expect(cleanName("\u202Eevil\u0000 name ")).toBe("evil name");
    expect(cleanName("👩‍👩‍👧 Öztürk")).toBe("👩‍👩‍👧 Öztürk");
    expect(cleanName(" \u200b ")).toBeNull();
  });

  it("writes initials", () => {
    expect(initials("Mevrouw A. (Anneke) Jansen")).toBe("AJ");
    expect(initials("Bakkerij Van der Veen")).toBe("BV");
    expect(initials("Jan de vries")).toBe("JV");
    expect(initials("Klantcontact")).toBe("K");
    expect(initials("👩‍👩‍👧 Familie")).toBe("👩‍👩‍👧F");
    expect(initials("شركة النور")).toHaveLength(2);
    expect(initials("")).toBe("");
  });

  it("names platforms and the phones that ring too", () => {
    expect([platformName("asterisk"), platformName("newpbx")]).toEqual(["Asterisk", "Newpbx"]);
    const agent = { id: null, extension: "100", user_id: null, email: null, name: "Ada" };
    const c = call("a", { agent, legs: [leg("100"), leg("101"), leg("102", { ended_at: T0 })] });
    expect(alsoRinging(c).map((w) => w.extension)).toEqual(["101"]);
  });

  it("knows the agent by user id where there are no extensions", () => {
    const c = call("a", { status: "ringing" });
    c.agent = { id: null, extension: null, user_id: "49", email: null, name: "Sanne" };
    const base = { kind: "agent" as const, extension: null, number: null, started_at: T0, rang_at: T0, answered_at: null, ended_at: null, end_cause: null, hangup_cause: null };
    c.legs = [{ ...base, id: "1", user_id: "49", name: "Sanne" }, { ...base, id: "2", user_id: "50", name: "Daan" }];
    expect(alsoRinging(c).map((w) => w.name)).toEqual(["Daan"]);
  });
});

describe("durations", () => {
  it("counts from the moment that fits the state", () => {
    const at = (s: number): string => new Date(Date.parse(T0) + s * 1000).toISOString();
    expect(runningSince(call("a"))).toBe(T0);
    expect(runningSince(call("a", { status: "active", answered_at: at(5) }))).toBe(at(5));
    const holds = [{ from: at(6), to: at(8) }, { from: at(9), to: null }];
    expect(runningSince(call("a", { status: "held", answered_at: at(5), holds }))).toBe(at(9));
    expect(runningSince(call("a", { status: "ended" }))).toBeNull();
    expect(rangFor(call("a", { answered_at: at(5) }))).toBe(5);
    expect(talkedFor(call("a", { duration_seconds: 0 }))).toBeNull();
  });
});

describe("the time line", () => {
  const at = (s: number): string => new Date(Date.parse(T0) + s * 1000).toISOString();

  it("tells a call in order", () => {
    const c = call("a", {
      status: "ended",
      answered_at: at(7),
      ended_at: at(60),
      end_cause: "normal",
      ended_by: "remote",
      holds: [{ from: at(20), to: at(31) }],
      transfers: [{ at: at(40), kind: "blind", from: "100", to: "101" }],
      legs: [
        leg("100", { rang_at: at(1), answered_at: at(7), ended_at: at(40), end_cause: "transferred" }),
        leg("102", { rang_at: at(1), ended_at: at(7), end_cause: "cancelled" }),
        leg("101", { rang_at: at(41), answered_at: at(44), ended_at: at(60), end_cause: "normal" }),
      ],
    });
    const told = timeline(c);
    expect(told.map((e) => e.code)).toEqual(["in", "rang", "answered", "hold", "transfer", "rang", "answered", "ended"]);
    expect(told[1]?.who?.map((w) => w.extension)).toEqual(["100", "102"]);
    expect(told[3]?.seconds).toBe(11);
    expect(told[7]).toMatchObject({ endedBy: "remote", cause: "normal" });
  });

  it("says who did not answer, and how long a missed call rang", () => {
    const c = call("a", { status: "missed", ended_at: at(24), ring_seconds: 24, legs: [leg("100", { ended_at: at(20), end_cause: "busy" })] });
    expect(timeline(c).map((e) => e.code)).toEqual(["in", "rang", "not_answered", "missed"]);
  });

  it("tells of the far side when the call goes out", () => {
    const c = call("a", { direction: "outbound", status: "active", answered_at: at(9), legs: [leg("100", { answered_at: at(1) })] });
    const told = timeline(c);
    expect(told.map((e) => e.code)).toEqual(["out", "rang", "answered"]);
    expect(told[2]).toMatchObject({ at: at(9), who: [] });
  });

  it("works without legs", () => {
    const agent = { id: null, extension: "100", user_id: null, email: null, name: null };
    const c = call("a", { status: "active", agent, answered_at: at(3) });
    expect(timeline(c).map((e) => e.code)).toEqual(["in", "rang", "answered"]);
  });
});
