import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect, type Page } from "@playwright/test";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Violation {
  id: string;
  help: string;
  nodes: { target: string[]; failureSummary?: string }[];
}

/** Zero violations, of WCAG 2.2 AA and of good practice. */
export async function expectAccessible(page: Page, where: string): Promise<void> {
  // A card that still slides in is half transparent: its contrast is not the final one.
  await page.evaluate(() => Promise.all(document.getAnimations().filter((a) => a.effect?.getComputedTiming().iterations === 1).map((a) => a.finished.catch(() => null))));
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => {
    const axe = (window as unknown as { axe: { run(context: Document, options: object): Promise<{ violations: unknown[] }> } }).axe;
    return (await axe.run(document, { resultTypes: ["violations"] })).violations;
  });
  const lines = (found as Violation[]).map((v) => `${v.id}: ${v.help} at ${v.nodes.map((n) => n.target.join(" ")).join(" | ")}`);
  expect(lines, `axe, ${where}`).toEqual([]);
}

/** The page must not scroll sideways, at whatever width. */
export async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(over, "sideways scroll in px").toBeLessThanOrEqual(0);
}

/** Collects what must never happen: script errors and blocked content. */
export function watchErrors(page: Page): string[] {
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" && !/WebSocket connection|Failed to load resource/.test(message.text())) errors.push(message.text());
  });
  return errors;
}

export async function shoot(page: Page, name: string, fullPage = false): Promise<void> {
  await page.screenshot({ path: `test-results/${name}.png`, fullPage });
}

export const isLive = async (page: Page): Promise<void> => {
  await expect(page.locator("[data-link=live]")).toBeVisible();
};

/**
 * Stops the page's time: from here on no timer of the page runs, so that nothing leaves, reconnects
 * or is put away by itself, however slow the machine is. Needs `page.clock.install()` before the
 * page is opened; `page.clock.resume()` lets time run again. axe waits for timers: not while frozen.
 */
export async function freeze(page: Page): Promise<void> {
  for (let ahead = 500; ; ahead *= 2) {
    const at = (await page.evaluate(() => Date.now())) + ahead;
    const late = await page.clock.pauseAt(at).then(() => null, (error: Error) => error);
    if (!late) return;
    if (ahead > 30_000) throw late; // Not a machine that was slower than `ahead`.
  }
}
