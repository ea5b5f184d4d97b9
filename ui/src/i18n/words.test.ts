import { describe, expect, it } from "vitest";
import en from "./en.json";
import nl from "./nl.json";

const holes = (text: string): string[] => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();

describe("words", () => {
  it("has the same keys in both languages", () => {
    expect(Object.keys(nl).sort()).toEqual(Object.keys(en).sort());
  });

  it("has the same values to fill in, and a plural in both or in none", () => {
    for (const key of Object.keys(en) as (keyof typeof en)[]) {
      expect(holes(nl[key]), key).toEqual(holes(en[key]));
      expect(nl[key].includes("|"), key).toBe(en[key].includes("|"));
    }
  });

  it("keeps the tone: no exclamation marks, no please", () => {
    for (const text of [...Object.values(en), ...Object.values(nl)]) expect(text).not.toMatch(/!|please|oops|alstublieft/i);
  });
});
