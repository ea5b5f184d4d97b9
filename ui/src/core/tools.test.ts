import { describe, expect, it } from "vitest";
import { call } from "./fixtures";
import { canTransfer, keyCall, lacking, nothingDone, toolsOf, type Tool } from "./tools";
import type { ActionState } from "./types";

const ALL: Tool[] = ["answer", "hangup", "reject", "hold", "resume", "transfer", "dtmf", "mute", "unmute", "park", "recording"];
const possible = (...but: ActionState[]): ActionState[] =>
  ALL.map((action) => but.find((b) => b.action === action) ?? { action, possible: true });
const names = (...args: Parameters<typeof toolsOf>): string[] => toolsOf(...args).map((t) => t.tool);

describe("the controls of a call", () => {
  it("are those of its state", () => {
    expect(names(call("a"), possible(), nothingDone)).toEqual(["answer", "reject"]);
    expect(names(call("a", { direction: "outbound" }), possible(), nothingDone)).toEqual(["hangup"]);
    expect(names(call("a", { status: "active" }), possible(), nothingDone)).toEqual(["hold", "transfer", "dtmf", "mute", "park", "recording", "hangup"]);
    expect(names(call("a", { status: "held" }), possible(), nothingDone)[0]).toBe("resume");
    expect(names(call("a", { status: "ended" }), possible(), nothingDone)).toEqual([]);
  });

  it("leave out what the platform cannot do, and say it apart, once for each reason", () => {
    const actions = possible(
      { action: "mute", possible: false, code: "not_supported", reason: "Mute is on the phone." },
      { action: "unmute", possible: false, code: "not_supported", reason: "Mute is on the phone." },
      { action: "park", possible: false, code: "not_supported", reason: "No parking." },
      { action: "recording", possible: false, code: "not_supported", reason: "No parking." },
    );
    expect(names(call("a", { status: "active" }), actions, nothingDone)).toEqual(["hold", "transfer", "dtmf", "hangup"]);
    expect(lacking(actions)).toEqual([
      { actions: ["mute"], reason: "Mute is on the phone." },
      { actions: ["park", "recording"], reason: "No parking." },
    ]);
  });

  it("keep what cannot be done now, with the reason", () => {
    const actions = possible({ action: "hold", possible: false, code: "call_state", reason: "The other side is being transferred." });
    expect(toolsOf(call("a", { status: "active" }), actions, nothingDone)[0]).toEqual({
      tool: "hold",
      possible: false,
      reason: "The other side is being transferred.",
    });
    expect(lacking(actions)).toEqual([]);
  });

  it("turn round what this page has done", () => {
    expect(names(call("a", { status: "active" }), possible(), { muted: true, paused: false })).toContain("unmute");
    expect(names(call("a", { status: "active" }), possible(), { muted: true, paused: false })).not.toContain("mute");
  });

  it("are none while nothing is known", () => {
    expect(toolsOf(call("a"), [], nothingDone)).toEqual([]);
  });
});

describe("a transfer", () => {
  it("goes the ways the server names, and both when it names none", () => {
    expect(canTransfer("blind", possible())).toBe(true);
    expect(canTransfer("attended", possible())).toBe(true);
    const blind = possible({ action: "transfer", possible: true, kinds: ["blind"] });
    expect(canTransfer("blind", blind)).toBe(true);
    expect(canTransfer("attended", blind)).toBe(false);
    expect(canTransfer("blind", possible({ action: "transfer", possible: false }))).toBe(false);
  });
});

describe("a function key", () => {
  const a = call("a", { status: "active" });
  const b = call("b", { status: "active" });
  it("means the call that is shown, else the only one, and never guesses", () => {
    expect(keyCall("hangup", a, [a, b], () => true)).toBe(a);
    expect(keyCall("hangup", null, [a], () => true)).toBe(a);
    expect(keyCall("hangup", null, [a, b], () => true)).toBeNull();
    expect(keyCall("hangup", a, [a, b], (c) => c === b)).toBe(b);
  });
  it("takes a call of which nothing is known yet for one that may be meant", () => {
    const half = (c: typeof a): boolean | null => (c === a ? true : null);
    expect(keyCall("hangup", null, [a, b], half)).toBeNull();
    expect(keyCall("hangup", a, [a, b], half)).toBe(a);
    expect(keyCall("hangup", null, [b], half)).toBeNull();
    expect(keyCall("answer", null, [a, b], half)).toBe(a);
  });
  it("answers the call that rings longest", () => {
    const newest = call("n");
    const oldest = call("o");
    expect(keyCall("answer", null, [newest, oldest], () => true)).toBe(oldest);
  });
});
