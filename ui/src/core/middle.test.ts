import { describe, expect, it } from "vitest";
import { call, T0 } from "./fixtures";
import { back, choose, isWorkedIn, nextRinging, noMiddle, pop, settle, shownId } from "./middle";

const NOW = Date.parse(T0) + 2_000;
const free = { shown: null, focusInside: false };

describe("the pop", () => {
  it("fills a free middle and lies over what was chosen", () => {
    const middle = pop(choose("old"), call("a"), free, NOW);
    expect(shownId(middle)).toBe("a");
    expect(shownId(back(middle))).toBe("old");
    expect(back(back(middle))).toEqual(noMiddle);
  });

  it("does not push a conversation away, nor somebody whose focus is there", () => {
    const talking = { shown: call("t", { status: "active" }), focusInside: false };
    expect(isWorkedIn(talking)).toBe(true);
    expect(pop(noMiddle, call("a"), talking, NOW)).toBe(noMiddle);
    expect(pop(noMiddle, call("a"), { shown: null, focusInside: true }, NOW)).toBe(noMiddle);
    const reading = { shown: call("r", { status: "ended" }), focusInside: false };
    expect(pop(noMiddle, call("a"), reading, NOW).popped).toBe("a");
  });

  it("does not pop what rang more than ten seconds ago or rings no more", () => {
    expect(pop(noMiddle, call("a"), free, Date.parse(T0) + 10_001)).toBe(noMiddle);
    expect(pop(noMiddle, call("a", { status: "missed" }), free, NOW)).toBe(noMiddle);
  });
});

describe("after the call", () => {
  const popped = { chosen: "old", popped: "a" };

  it("stays while the card says goodbye, then gives the place back", () => {
    const missed = call("a", { status: "missed" });
    expect(settle(popped, missed, true)).toBe(popped);
    expect(shownId(settle(popped, missed, false))).toBe("old");
    expect(shownId(settle(popped, null, false))).toBe("old");
  });

  it("keeps a call that was talked on", () => {
    const ended = call("a", { status: "ended", answered_at: T0 });
    expect(settle(popped, ended, false)).toEqual(choose("a"));
  });
});

describe("S", () => {
  it("goes round the ringing calls that are not shown", () => {
    const ringing = [call("a"), call("b")];
    expect(nextRinging(ringing, null)?.id).toBe("a");
    expect(nextRinging(ringing, "a")?.id).toBe("b");
    expect(nextRinging(ringing, "b")?.id).toBe("a");
    expect(nextRinging([call("a")], "a")).toBeNull();
    expect(nextRinging([], "a")).toBeNull();
  });
});
