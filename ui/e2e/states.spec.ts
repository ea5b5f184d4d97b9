// States that a real server reaches rarely, against the stand-in: they need no server.

import { expect, test, type Page, type WebSocket } from "@playwright/test";
import { expectAccessible, expectNoSidewaysScroll, freeze, isLive, shoot, watchErrors } from "./helpers";
import { call, contact, finished, iso, party } from "./mock-data.mjs";
import { startMock, type Mock } from "./mock-server.mjs";
import { answer, deWaal, end, hold, jansen, resume, unknown } from "./mock-script.mjs";

let mock: Mock;
test.beforeEach(async () => {
  mock = await startMock();
});
test.afterEach(() => mock.stop());

const card = (page: Page, name: string) => page.getByRole("region", { name: "Calls" }).getByRole("group", { name });
const work = (page: Page) => page.getByRole("region", { name: "Caller" });

async function open(page: Page): Promise<string[]> {
  const errors = watchErrors(page);
  await page.goto(mock.url);
  await isLive(page);
  return errors;
}

test("signed out: says how to get a link, goes on by itself, and signs out again", async ({ page }) => {
  mock.state.signedIn = false;
  await page.goto(`${mock.url}/?link=expired`);
  await expect(page.getByText("That link is used up or too old.")).toBeVisible();
  await expect(page.getByText("switchhook app link <app>")).toBeVisible();
  expect(new URL(page.url()).search).toBe("");
  await expectAccessible(page, "sign-in");
  await shoot(page, "signin-light");
  await page.getByRole("button", { name: "I have opened the link" }).click();
  await expect(page.getByText("This browser is not signed in yet.")).toBeVisible();

  await page.goto(`${mock.url}/sign-in?token=good`);
  await isLive(page);
  await page.getByRole("button", { name: /Settings for/ }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByText("Signed out.")).toBeVisible();
});

test("a call from ringing to the list, told in the card, the middle and the title", async ({ page }) => {
  await page.clock.install();
  const errors = await open(page);
  const c = mock.ring(jansen(Date.now()));
  const name = "Mevrouw A. (Anneke) Jansen";
  await expect(card(page, name)).toHaveAttribute("data-status", "ringing");
  await expect(work(page).getByRole("heading", { name })).toBeVisible();
  await expect(work(page).getByText("Why this person:")).toBeVisible();
  await expect(page.locator("#say-now")).toHaveText(`Ringing: ${name}, Burgerzaken`);
  await expect(page).toHaveTitle(/^● \d+:\d\d Mevrouw A\. \(Anneke\) Jansen$/);
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("BODY");
  await expectAccessible(page, "ringing");
  await shoot(page, "ringing-light");

  answer(c);
  mock.emit("call.started", c);
  await expect(card(page, name)).toHaveAttribute("data-status", "active");
  hold(c);
  mock.emit("call.held", c);
  await expect(card(page, name)).toContainText("On hold");
  resume(c);
  mock.emit("call.resumed", c);
  end(c);
  await freeze(page); // A finished card leaves after four seconds.
  mock.emit("call.ended", c);
  await expect(card(page, name)).toContainText("talked");
  await page.clock.fastForward(5_000);
  await page.clock.resume();
  await expect(card(page, name)).toHaveCount(0);
  const row = page.getByRole("tabpanel").getByRole("button", { name: new RegExp("^Mevrouw A\\. \\(Anneke\\)") });
  await expect(row).toBeVisible();
  await expect(work(page).getByText("Ended by the caller: normal hang-up")).toBeVisible();
  await expectAccessible(page, "ended");
  expect(errors).toEqual([]);
});

test("a second caller does not push a conversation away: S shows it", async ({ page }) => {
  await open(page);
  const first = mock.ring(jansen(Date.now()));
  answer(first);
  mock.emit("call.started", first);
  const { c, pop } = deWaal(Date.now());
  mock.ring(c, pop);
  await expect(work(page).getByRole("heading", { name: /Jansen/ })).toBeVisible();
  await expect(card(page, "3 possible callers").getByRole("button", { name: "Show" })).toBeVisible();
  await page.keyboard.press("s");
  await expect(work(page).getByRole("heading", { name: "Several possible callers" })).toBeVisible();
  await expect(work(page).getByRole("row", { name: /Ruben de Waal.*Likely 88/ })).toBeVisible();
  await expectAccessible(page, "chooser");
  await shoot(page, "chooser-light");
  await page.keyboard.press("Escape");
  await expect(work(page).getByText("No caller to show")).toBeVisible();
});

test("a missed unknown caller gives the middle back", async ({ page }) => {
  await open(page);
  const c = mock.ring(unknown(Date.now()));
  await expect(work(page).getByRole("heading", { name: "Unknown caller" })).toBeVisible();
  await expect(work(page).getByText("No contact has this number.")).toBeVisible();
  end(c);
  mock.emit("call.missed", c);
  await expect(work(page).getByText("No caller to show")).toBeVisible();
  await page.getByRole("tab", { name: /Missed/ }).click();
  await expect(page.getByRole("tab", { name: /Missed/ })).toContainText("3");
});

test("what rang too long before the page came does not pop", async ({ page }) => {
  mock.ring(jansen(Date.now() - 15_000));
  await open(page);
  await expect(card(page, "Mevrouw A. (Anneke) Jansen")).toBeVisible();
  await expect(work(page).getByText("No caller to show")).toBeVisible();
  await expect(page.locator("#say-now")).toHaveText("");
});

test("candidates come back after a reload", async ({ page }) => {
  mock.state.clock = Date.now(); // A page that loads slowly must not make the ringing too old.
  const { c, pop } = deWaal(mock.state.clock);
  mock.ring(c, pop);
  await open(page);
  await expect(work(page).getByRole("row", { name: /Chantal Bos.*Possible 61/ })).toBeVisible();
});

test("reconnecting: quiet at first, then said; back again with what came by", async ({ page }) => {
  await page.clock.install();
  const sockets: WebSocket[] = [];
  page.on("websocket", (socket) => sockets.push(socket));
  await open(page);
  const c = mock.ring(jansen(Date.now()));
  answer(c);
  mock.emit("call.started", c);
  mock.cut({ refuse: true });
  await expect(page.locator("[data-link=reconnecting]")).toBeVisible();
  await expect(page.getByText(/Reconnecting: attempt \d+\./)).toBeVisible();
  await expect(card(page, "Mevrouw A. (Anneke) Jansen")).toContainText("last known");
  await expectAccessible(page, "reconnecting");
  await shoot(page, "reconnecting-light");

  // From here on only the button can reconnect: the page's own tries wait for its clock.
  await freeze(page);
  const lost = unknown(Date.now());
  mock.ring(lost);
  end(lost);
  mock.emit("call.missed", lost);
  await expect.poll(() => sockets.every((socket) => socket.isClosed()), "no try is under way").toBe(true);
  mock.state.refuse = false;
  await page.getByRole("button", { name: "Now", exact: true }).click();
  await expect(page.getByText("Connected again.").first()).toBeVisible();
  await expect(page.getByText(/1 call in those \d+ s: 1 missed\./)).toBeVisible();
  await page.clock.fastForward(5_500);
  await expect(page.getByText(/1 call in those/)).toBeVisible();
  await page.clock.fastForward(1_000);
  await expect(page.getByText(/1 call in those/)).toHaveCount(0);
});

test("offline after thirty seconds", async ({ page }) => {
  await page.clock.install();
  await open(page);
  mock.cut({ refuse: true });
  await expect(page.locator("[data-link=reconnecting]")).toBeVisible();
  await page.clock.fastForward(31_000);
  await expect(page.getByText("New calls do not show here. Use your phone.")).toBeVisible();
  await expect(page.getByText("Calls are not known now")).toBeVisible();
  await expectAccessible(page, "offline");
  await shoot(page, "offline-light");
});

test("a revoked key ends the session in place; a switched-off app says so", async ({ page }) => {
  await open(page);
  mock.state.signedIn = false;
  mock.cut({ code: 4401 });
  await expect(page.getByText("You are signed out.")).toBeVisible();
  mock.state.signedIn = true;
  await page.getByRole("button", { name: "I have opened the link" }).click();
  await isLive(page);
  mock.cut({ code: 4403 });
  await expect(page.getByRole("heading", { name: "This app is switched off" })).toBeVisible();
});

test("a server that does not answer, a slow one, and an empty day", async ({ page }) => {
  mock.state.down = true;
  await page.goto(mock.url);
  await expect(page.getByRole("heading", { name: "The server does not answer" })).toBeVisible();
  await expectAccessible(page, "down");
  mock.state.down = false;
  const release = mock.holdBack("/api/calls");
  await page.getByRole("button", { name: "Try again" }).click();
  await isLive(page);
  await expect(page.getByText("Loading today’s calls")).toBeAttached();
  release();
  await expect(page.getByText("Loading today’s calls")).toHaveCount(0);
  await expect(page.getByRole("tabpanel").getByRole("button", { name: /^Bakkerij Van der Veen/ })).toBeVisible();
  const empty = await startMock({ rows: () => [] });
  await page.goto(empty.url);
  await expect(page.getByText("No calls yet today")).toBeVisible();
  await expectAccessible(page, "empty");
  await shoot(page, "empty-light");
  await empty.stop();
});

test("a degraded connection is noted and can be put away", async ({ page }) => {
  await open(page);
  mock.emit("connection.degraded", null, {
    connection: { id: "w", platform: "wildix", name: "Merwedal", state: "silent", reason: "No message for 12 minutes.", since: iso(Date.now() - 720_000) },
  });
  await expect(page.getByText(/Merwedal \(Wildix\) is silent since/)).toBeVisible();
  await page.getByRole("region", { name: "Caller" }).getByRole("button", { name: "Close" }).click();
  await expect(page.getByText(/is silent since/)).toHaveCount(0);
});

test("new rows wait while the reader is further down", async ({ page }) => {
  const now = Date.now();
  const rows = Array.from({ length: 50 }, (_, i) => finished(now - (i + 1) * 1_000, 1, { contact: contact(`Person ${i}`) }));
  const busy = await startMock({ rows: () => rows });
  await page.goto(busy.url);
  await isLive(page);
  const list = page.getByRole("tabpanel");
  await expect(list.getByRole("button", { name: /^Person 49/ })).toBeAttached();
  await list.getByRole("button", { name: /^Person 30/ }).scrollIntoViewIfNeeded();
  // The scroll event comes with the next frame.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const c = finished(now, 1, { contact: contact("Somebody new") });
  busy.emit("call.ended", c);
  await expect(list.getByRole("button", { name: "1 new" })).toBeVisible();
  await expect(list.getByRole("button", { name: /^Somebody new/ })).toHaveCount(0);
  await shoot(page, "busy-light");
  await list.getByRole("button", { name: "1 new" }).click();
  await expect(list.getByRole("button", { name: /^Somebody new/ })).toBeVisible();
  await busy.stop();
});

test("names of every kind are text, whole, and change nothing around them", async ({ page }) => {
  const errors = await open(page);
  const names = [
    "Maximiliaan Alexander van der Wouden-de Bruijn tot Oldenbarne",
    "شركة النور للتجارة والمقاولات العامة المحدودة",
    "👩‍👩‍👧 Familie Öztürk-Šimić 🎉",
    "<script>document.title='pwned'</script>",
  ];
  names.forEach((name, i) => mock.ring(call(Date.now() + i, { from: party(`+3161234567${i}`), contact: contact(name) })));
  mock.ring(call(Date.now() + 9, { from: party(null, null, "withheld"), from_number: null, queue: null }));
  await expect(card(page, "Number withheld")).toBeVisible();
  for (const name of names) await expect(card(page, name)).toBeVisible();
  await expect(page).toHaveTitle(/Number withheld/);
  await expectAccessible(page, "names");
  for (const width of [1440, 900, 320]) {
    await page.setViewportSize({ width, height: 800 });
    await expectNoSidewaysScroll(page);
  }
  expect(errors).toEqual([]);
});

test("keyboard only: skip links, tabs, list, sheet, and the keys can be switched off", async ({ page }) => {
  await open(page);
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to calls" })).toBeFocused();
  await page.getByRole("tab", { name: /Today/ }).focus();
  await page.keyboard.press("ArrowRight");
  await expect(page.getByRole("tab", { name: /Missed/ })).toBeFocused();
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await expect(work(page).getByRole("heading", { name: "Huisartsenpraktijk Oost" })).toBeVisible();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keyboard" })).toBeVisible();
  await expectAccessible(page, "help");
  await page.getByRole("checkbox", { name: /Single-letter keys/ }).uncheck();
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await page.keyboard.press("Escape");
  await expect(work(page).getByText("No caller to show")).toBeVisible();
});

for (const scheme of ["light", "dark"] as const) {
  test(`every width in ${scheme}, in Dutch, and at 400 % zoom`, async ({ browser }) => {
    const context = await browser.newContext({ colorScheme: scheme, locale: "nl-NL", viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    await open(page);
    const c = jansen(Date.now());
    mock.ring(c);
    await expect(page.getByText("Waarom deze persoon:")).toBeVisible();
    for (const width of [1440, 900, 768, 320]) {
      await page.setViewportSize({ width, height: width === 320 ? 640 : 900 });
      await expectNoSidewaysScroll(page);
      await expectAccessible(page, `${scheme} ${width}`);
      await shoot(page, `states-nl-${scheme}-${width}`, width === 320);
    }
    // 1280 px at 400 % is 320 by 256 CSS pixels.
    await page.setViewportSize({ width: 320, height: 256 });
    await expectNoSidewaysScroll(page);
    await context.close();
  });
}
