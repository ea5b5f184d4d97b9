import { describe, expect, it } from "vitest";
import { choices, entryOf, passwordFault } from "./entry";

describe("the address decides the face", () => {
  it("knows set-up and invitation with their tokens", () => {
    expect(entryOf("/set-up", "?token=abc")).toEqual({ view: "set-up", token: "abc" });
    expect(entryOf("/invitation/", "?token=a%2Bb")).toEqual({ view: "invitation", token: "a+b" });
    expect(entryOf("/invitation", "")).toEqual({ view: "invitation", token: "" });
  });
  it("is the console everywhere else", () => {
    for (const path of ["/", "", "/set-up/more", "/docs"]) expect(entryOf(path, "?token=x")).toEqual({ view: "console" });
  });
});

describe("a password", () => {
  it("is counted in characters, not in code units", () => {
    expect(passwordFault("short")).toBe("short");
    expect(passwordFault("😀".repeat(11))).toBe("short");
    expect(passwordFault("😀".repeat(12))).toBeNull();
    expect(passwordFault("x".repeat(129))).toBe("long");
  });
});

describe("the choice of an app", () => {
  it("takes only what is one", () => {
    expect(choices({ apps: [{ id: "1", name: "A" }, { id: 2 }, null, "x"] })).toEqual([{ id: "1", name: "A" }]);
    expect(choices(undefined)).toEqual([]);
    expect(choices({ apps: "no" })).toEqual([]);
  });
});
