// Steering calls and placing them, against the stand-in.

import { expect, test, type Page } from "@playwright/test";
import { expectAccessible, expectNoSidewaysScroll, isLive, shoot, watchErrors } from "./helpers";
import { CONNECTION, DIALPAD } from "./mock-commands.mjs";
import { call } from "./mock-data.mjs";
import { startMock, type Mock, type MockCall } from "./mock-server.mjs";
import { answer, deWaal, jansen } from "./mock-script.mjs";

let mock: Mock;
test.beforeEach(async () => {
  mock = await startMock();
});
test.afterEach(() => mock.stop());

const JANSEN = "Mevrouw A. (Anneke) Jansen";
const card = (page: Page, name = JANSEN) => page.getByRole("region", { name: "Calls" }).getByRole("group", { name, exact: true });
const tool = (page: Page, name: string | RegExp) => card(page).getByRole("button", { name });
const dialBox = (page: Page) => page.getByRole("form", { name: "Dial" });
const asked = () => mock.state.commands.asked.map((a) => [a.path.split("/").at(-1), a.body]);

async function open(page: Page): Promise<string[]> {
  const errors = watchErrors(page);
  await page.goto(mock.url);
  await isLive(page);
  return errors;
}
async function talking(page: Page): Promise<MockCall> {
  await open(page);
  const c = mock.ring(jansen(Date.now()));
  answer(c);
  mock.emit("call.started", c);
  await expect(card(page)).toHaveAttribute("data-status", "active");
  await expect(tool(page, /^Hang up/)).toBeVisible();
  return c;
}
const setExtension = (page: Page, extension: string) =>
  page.addInitScript((value) => localStorage.setItem("switchhook.extension", value), extension);

test("a ringing call is answered, held, taken back and hung up by its buttons", async ({ page }) => {
  const errors = await open(page);
  mock.ring(jansen(Date.now()));
  await expect(tool(page, /^Decline/)).toBeVisible();
  await expectAccessible(page, "ringing with tools");
  await shoot(page, "tools-ringing-light");
  // A press within a moment of the card's arrival is not for it: repeated until it is taken.
  await expect(async () => {
    await tool(page, /^Answer/).click({ timeout: 1_000 });
    await expect(card(page)).toHaveAttribute("data-status", "active", { timeout: 1_000 });
  }).toPass();
  await tool(page, /^Hold/).click();
  await expect(card(page)).toHaveAttribute("data-status", "held");
  await tool(page, /^Resume/).click();
  await expect(card(page)).toHaveAttribute("data-status", "active");
  await expect(async () => {
    if (await card(page).and(page.locator("[data-status=active]")).isVisible()) await tool(page, /^Hang up/).click({ timeout: 1_000 });
    await expect(card(page).and(page.locator("[data-status=active]"))).toHaveCount(0, { timeout: 1_000 });
  }).toPass();
  await expect(page.getByRole("region", { name: "Caller" }).getByText(/^Ended by the agent/)).toBeVisible();
  expect(asked().map(([what]) => what)).toEqual(["answer", "hold", "resume", "hangup"]);
  expect(errors).toEqual([]);
});

test("the function keys do the same, also from a field", async ({ page }) => {
  await open(page);
  mock.ring(jansen(Date.now()));
  await expect(tool(page, /^Answer/)).toBeVisible();
  await page.getByLabel("Number or extension").focus();
  await page.keyboard.press("F2");
  await expect(card(page)).toHaveAttribute("data-status", "active");
  // A key does what its button would do: the button must have come first.
  await expect(tool(page, /^Hold/)).toBeVisible();
  await page.keyboard.press("F4");
  await expect(card(page)).toHaveAttribute("data-status", "held");
  await expect(tool(page, /^Resume/)).toBeVisible();
  await page.keyboard.press("F4");
  await expect(card(page)).toHaveAttribute("data-status", "active");
  await expect(tool(page, /^Hold/)).toBeVisible();
  await page.keyboard.press("F8");
  await expect(page.getByLabel("Transfer to number or extension")).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(tool(page, /^Transfer/)).toBeFocused();
  await page.keyboard.press("F9");
  await expect(card(page).and(page.locator("[data-status=active]"))).toHaveCount(0);
  expect(asked().map(([what]) => what)).toEqual(["answer", "hold", "resume", "hangup"]);
});

test("a declined call", async ({ page }) => {
  await open(page);
  mock.ring(jansen(Date.now()));
  await expect(tool(page, /^Decline/)).toBeVisible();
  await page.keyboard.press("F9");
  await expect(card(page).and(page.locator("[data-status=ringing]"))).toHaveCount(0);
  expect(asked()).toEqual([["reject", {}]]);
});

test("transfer: reads the number as it is typed, now or after asking", async ({ page }) => {
  await talking(page);
  await tool(page, /^Transfer/).click();
  const field = page.getByLabel("Transfer to number or extension");
  await expect(field).toBeFocused();
  await expect(tool(page, /^Transfer now/)).toBeDisabled();
  await field.fill("06 8765 4321");
  await expect(card(page).getByText("+31 6 87654321")).toBeVisible();
  await expectAccessible(page, "transfer");
  await shoot(page, "tools-transfer-light");
  await field.press("Control+Enter");
  await expect(field).toHaveCount(0);
  await expect(tool(page, /^Transfer/)).toBeFocused();
  await tool(page, /^Transfer/).click();
  await field.fill("sip:eve@example.org");
  await expect(card(page).getByText("Only numbers can be dialled.")).toBeVisible();
  await expect(field).toHaveAttribute("aria-invalid", "true");
  await field.fill("214");
  await expect(card(page).getByText("Extension 214")).toBeVisible();
  await field.press("Enter");
  await expect(field).toHaveCount(0);
  expect(asked()).toEqual([
    ["transfer", { to: "+31687654321", kind: "attended" }],
    ["transfer", { to: "214", kind: "blind" }],
  ]);
});

test("transfer: only the way the platform has", async ({ page }) => {
  mock.state.commands.kinds = ["blind"];
  await talking(page);
  await tool(page, /^Transfer/).click();
  await expect(card(page).getByText("This platform transfers without asking first.")).toBeVisible();
  await expect(tool(page, /^Ask first/)).toHaveCount(0);
});

test("tones, mute, park and recording", async ({ page }) => {
  await talking(page);
  await tool(page, "Keypad").click();
  const pad = card(page).getByRole("group", { name: "Keypad" });
  await pad.getByRole("button", { name: "5" }).click();
  await pad.getByRole("button", { name: "#" }).press("0");
  await expect(pad).toContainText("50");
  await expectAccessible(page, "keypad");
  await shoot(page, "tools-keypad-light");
  await tool(page, "Mute").click();
  await tool(page, "Unmute").click();
  await expect(tool(page, "Mute")).toBeVisible();
  await tool(page, "Pause recording").click();
  await tool(page, "Go on recording").click();
  await expect(tool(page, "Pause recording")).toBeVisible();
  await tool(page, "Park").click();
  await expect.poll(asked).toEqual([
    ["dtmf", { digits: "5" }],
    ["dtmf", { digits: "0" }],
    ["mute", {}],
    ["unmute", {}],
    ["recording", { on: false }],
    ["recording", { on: true }],
    ["park", {}],
  ]);
});

test("what the platform cannot do has no button, and is told; what cannot be now says why", async ({ page }) => {
  mock.state.commands.lacks = { mute: "Mute is on the phone itself.", unmute: "Mute is on the phone itself.", park: "It has no places to park.", recording: "It has no places to park." };
  mock.state.commands.notNow = { hold: "The other side is being transferred." };
  await talking(page);
  await expect(tool(page, "Mute")).toHaveCount(0);
  await expect(tool(page, "Park")).toHaveCount(0);
  await expect(tool(page, /^Hold/)).toHaveAttribute("aria-disabled", "true");
  await expect(tool(page, /^Hold/)).toHaveAccessibleDescription("Hold: The other side is being transferred.");
  await card(page).getByText("What Asterisk cannot do here").click();
  await expect(card(page).getByText("Mute is on the phone itself.")).toBeVisible();
  await expect(card(page).getByText("Park, Recording")).toBeVisible();
  await expectAccessible(page, "lacks");
  await shoot(page, "tools-lacks-light");
  await tool(page, /^Hold/).click({ force: true });
  await page.keyboard.press("F4");
  expect(asked()).toEqual([]);
});

test("a platform without commands: no buttons at all", async ({ page }) => {
  const all = ["answer", "hangup", "reject", "hold", "resume", "transfer", "dtmf", "mute", "unmute", "park", "recording"];
  mock.state.commands.lacks = Object.fromEntries(all.map((a) => [a, "This platform lets nobody else steer its calls."]));
  await open(page);
  mock.ring(jansen(Date.now()));
  await expect(card(page).getByText("What Asterisk cannot do here")).toBeVisible();
  await expect(tool(page, /^(Answer|Decline)/)).toHaveCount(0);
  await expectAccessible(page, "no commands");
});

test("what did not work is said, with the way out, and put away", async ({ page }) => {
  mock.state.commands.refuse = { hold: { status: 502, code: "vendor_refused", detail: "The phone is in the wrong state. Take the call back on the phone." } };
  await talking(page);
  await tool(page, /^Hold/).click();
  const note = card(page).getByRole("alert");
  await expect(note).toContainText("Hold did not work. The phone is in the wrong state. Take the call back on the phone.");
  await expectAccessible(page, "refused");
  await shoot(page, "tools-refused-light");
  await note.getByRole("button", { name: "Close" }).click();
  await expect(note).toHaveCount(0);
});

test("while the link is lost, commands are off and say so", async ({ page }) => {
  await talking(page);
  mock.cut({ refuse: true });
  await expect(tool(page, /^Hang up/)).toHaveAttribute("aria-disabled", "true");
  await expect(tool(page, /^Hang up/)).toHaveAccessibleDescription("Not connected: use your phone.");
  await page.keyboard.press("F9");
  expect(asked()).toEqual([]);
});

test("dialling: the number is read, the phone rings first, the pending call is shown", async ({ page }) => {
  const errors = await open(page);
  await page.keyboard.press("/");
  const field = page.getByLabel("Number or extension");
  await expect(field).toBeFocused();
  await field.fill("020 123 45 67");
  await expect(dialBox(page).getByText("+31 20 1234567")).toBeVisible();
  await expect(dialBox(page).getByText(/Give your extension first/)).toBeVisible();
  await expectAccessible(page, "dial");
  await shoot(page, "dial-light");
  await page.keyboard.press("Enter");
  const own = dialBox(page).getByLabel("Your extension");
  await expect(own).toBeFocused();
  await own.fill("100");
  await own.press("Enter");
  await expect(card(page, "Unknown number")).toBeVisible();
  await expect(page.getByRole("region", { name: "Caller" }).getByRole("heading", { name: "Unknown number" })).toBeVisible();
  await expect(card(page, "Unknown number").getByRole("button", { name: /^Cancel/ })).toBeVisible();
  await expect(field).toHaveValue("");
  expect(mock.state.commands.asked.map((a) => a.body)).toEqual([{ to: "+31201234567", extension: "100" }]);
  expect(mock.state.commands.asked[0]?.key).toMatch(/^[0-9a-f]{32}$/);
  await page.reload();
  await page.getByRole("button", { name: /Settings for/ }).click();
  await expect(page.getByLabel("Your extension")).toHaveValue("100");
  await expectAccessible(page, "settings");
  expect(errors).toEqual([]);
});

for (const [code, detail, shown] of [
  ["agent_busy", "Agent 100 is on a call.", "You are on a call or not available."],
  ["dial_refused", "The app's list does not allow numbers of this country. Ask the administrator.", "The app's list does not allow"],
  ["not_supported", "CallVoip places no calls.", "This phone system cannot do that."],
  ["dial_rate_limited", "", "Too many calls in a short time."],
] as const) {
  test(`dialling refused: ${code}`, async ({ page }) => {
    mock.state.commands.refuseDial = { status: 409, code, detail };
    await setExtension(page, "100");
    await open(page);
    const field = page.getByLabel("Number or extension");
    await field.fill("0687654321");
    await field.press("Enter");
    await expect(dialBox(page).getByRole("alert")).toContainText(`Not called. ${shown}`);
    await expect(field).toHaveValue("0687654321");
    await expectAccessible(page, code);
    if (code === "agent_busy") await shoot(page, "dial-refused-light");
    mock.state.commands.refuseDial = null;
    await field.press("Enter");
    await expect(dialBox(page).getByRole("alert")).toHaveCount(0);
    // A refusal ends an attempt: the next one is a new one.
    const [first, second] = mock.state.commands.asked;
    expect(first?.key).not.toBe(second?.key);
  });
}

test("an attempt without an answer is repeated under the same key", async ({ page }) => {
  await setExtension(page, "100");
  await open(page);
  await page.route("**/api/calls", (route) => (route.request().method() === "POST" ? route.abort() : route.fallback()), { times: 1 });
  const keys: (string | undefined)[] = [];
  page.on("request", (r) => {
    if (r.method() === "POST") keys.push(r.headers()["idempotency-key"]);
  });
  const field = page.getByLabel("Number or extension");
  await field.fill("0687654321");
  await field.press("Enter");
  await expect(dialBox(page).getByRole("alert")).toContainText("it is not known whether this was done");
  await field.press("Enter");
  await expect(card(page, "Dhr. Ruben de Waal")).toBeVisible();
  expect(keys.length).toBe(2);
  expect(keys[0]).toBe(keys[1]);
});

test("accepted and then come to nothing: said where it was asked", async ({ page }) => {
  mock.state.commands.silent = true;
  await setExtension(page, "100");
  await open(page);
  const field = page.getByLabel("Number or extension");
  await field.fill("0687654321");
  await field.press("Enter");
  await expect(dialBox(page).getByText("Pick up your phone: it rings first.")).toBeVisible();
  await expectAccessible(page, "placed");
  await shoot(page, "dial-placed-light");
  const id = mock.state.commands.lastPlaced ?? "";
  mock.emit("dial.failed", null, { dial: { id: "d1", call_id: id, target: "+31687654321", cause: "device_offline", detail: "The phone of extension 100 is not registered." } });
  await expect(dialBox(page).getByRole("alert")).toContainText("Your phone is not registered.");
});

test("a number on the page is called with one press, over the connection it came by", async ({ page }) => {
  mock.state.commands.connections = [DIALPAD, CONNECTION];
  await setExtension(page, "100");
  await open(page);
  await page.getByRole("tabpanel").getByRole("button", { name: /^Huisartsenpraktijk Oost/ }).click();
  const caller = page.getByRole("region", { name: "Caller" });
  await caller.getByRole("button", { name: /^Call \+31 78/ }).click();
  await expect.poll(() => mock.state.commands.asked.map((a) => a.body)).toEqual([{ to: "+31787703186", extension: "100", connection_id: CONNECTION.id }]);
  await page.getByRole("tabpanel").getByRole("button", { name: "Call Dhr. P. Smit" }).click();
  await expect.poll(() => mock.state.commands.asked.length).toBe(2);
});

test("without an extension a pressed number waits in the field", async ({ page }) => {
  await open(page);
  await page.getByRole("tabpanel").getByRole("button", { name: "Call Dhr. P. Smit" }).click();
  await expect(page.getByLabel("Number or extension")).toHaveValue("+31633334444");
  await expect(dialBox(page).getByLabel("Your extension")).toBeFocused();
  expect(asked()).toEqual([]);
});

test("no connection places calls: no field and no buttons, but the reason", async ({ page }) => {
  mock.state.commands.connections = [{ ...DIALPAD, places_calls: false, why_not: "Dialpad is not signed in to. Ask the administrator." }];
  await open(page);
  await page.getByText("No calls can be placed from here").click();
  await expect(page.getByText("Dialpad is not signed in to. Ask the administrator.")).toBeVisible();
  await expect(page.getByLabel("Number or extension")).toHaveCount(0);
  await expect(page.getByRole("button", { name: /^Call / })).toHaveCount(0);
  await expectAccessible(page, "no dialling");
});

test("a command is for the person's own phone", async ({ page }) => {
  await setExtension(page, "101");
  await talking(page);
  await tool(page, /^Hold/).click();
  await expect.poll(asked).toEqual([["hold", { agent: { extension: "101" } }]]);
});

for (const scheme of ["light", "dark"] as const) {
  test(`tools and dial box at every width in ${scheme}, in Dutch`, async ({ browser }) => {
    mock.state.commands.lacks = { park: "Deze centrale heeft geen parkeerplaatsen." };
    mock.state.commands.connections = [DIALPAD, CONNECTION];
    const context = await browser.newContext({ colorScheme: scheme, locale: "nl-NL", viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    await page.goto(mock.url);
    await isLive(page);
    const first = mock.ring(jansen(Date.now()));
    answer(first);
    mock.emit("call.started", first);
    const second = deWaal(Date.now());
    mock.ring(second.c, second.pop);
    await expect(page.getByRole("button", { name: /^Ophangen/ })).toBeVisible();
    await page.getByLabel("Nummer of toestel").fill("0687654321");
    await expect(page.locator("#dial-extension")).toBeVisible();
    for (const width of [1440, 900, 768, 320]) {
      await page.setViewportSize({ width, height: width === 320 ? 640 : 900 });
      await expectNoSidewaysScroll(page);
      await expectAccessible(page, `${scheme} ${width}`);
      await shoot(page, `tools-nl-${scheme}-${width}`, width === 320);
    }
    await context.close();
  });
}

test("calls that cannot be told apart are not touched by a key", async ({ page }) => {
  await open(page);
  for (const name of ["+31612345601", "+31612345602"]) {
    const c = mock.ring(call(Date.now(), { from_number: name }));
    answer(c);
    mock.emit("call.started", c);
  }
  await expect(page.locator("#calls [data-status=active]")).toHaveCount(2);
  await page.keyboard.press("Escape");
  await expect(page.getByRole("region", { name: "Caller" }).getByText("No caller to show")).toBeVisible();
  await page.keyboard.press("F9");
  expect(asked()).toEqual([]);
});
