import { describe, expect, it } from "vitest";
import { dialTarget, readNumber, spaced } from "./dialling";

describe("reading a number as it is typed", () => {
  it.each([
    ["06 1234 5678", "NL", "+31612345678"],
    ["+31 6 12 34 56 78", "NL", "+31612345678"],
    ["+31 (0)6-12345678", "NL", "+31612345678"],
    ["0031612345678", "NL", "+31612345678"],
    ["tel:+31612345678", null, "+31612345678"],
    ["020–123 45 67", "nl", "+31201234567"],
    ["030 1234567", "DE", "+49301234567"],
    ["06 1234 5678", "IT", "+390612345678"],
    ["(202) 555-0143", "US", "+12025550143"],
    ["1 202 555 0143", "US", "+12025550143"],
  ])("%s in %s is %s", (typed, country, to) => {
    expect(readNumber(typed, country)).toEqual({ kind: "number", to });
  });

  it.each([["214"], ["100"], ["123456"]])("%s is an extension", (typed) => {
    expect(readNumber(typed, "NL")).toEqual({ kind: "extension", to: typed });
  });

  it("refuses what nobody could dial, and says why", () => {
    expect(readNumber("sip:ada@example.org", "NL")).toEqual({ kind: "refused", why: "letters" });
    expect(readNumber("12;34567", "NL")).toEqual({ kind: "refused", why: "letters" });
    expect(readNumber("061", "NL")).toEqual({ kind: "refused", why: "short" });
    expect(readNumber("+31612345678901234", "NL")).toEqual({ kind: "refused", why: "long" });
    expect(dialTarget(readNumber("+31", "NL"))).toBeNull();
  });

  it("leaves to the server what it cannot read", () => {
    expect(readNumber("0612345678", "ZZ")).toEqual({ kind: "unread", to: "0612345678" });
    expect(readNumber("0612345678", null)).toEqual({ kind: "unread", to: "0612345678" });
    expect(readNumber("*31#", "NL")).toEqual({ kind: "unread", to: "*31#" });
    expect(readNumber("612345678", "NL")).toEqual({ kind: "unread", to: "612345678" });
  });

  it("says nothing about nothing", () => {
    expect(readNumber("  ", "NL")).toEqual({ kind: "empty" });
    expect(dialTarget({ kind: "empty" })).toBeNull();
  });

  it("shows a number in pieces", () => {
    expect(spaced("+31612345678")).toBe("+31 6 12345678");
    expect(spaced("+31201234567")).toBe("+31 20 1234567");
    expect(spaced("+12025550143")).toBe("+1 2025550143");
    expect(spaced("+99812345")).toBe("+99812345");
  });
});
