// Writing of a call while it lasts and after it, completing it, and who the caller is.

import { expect, test, type Page } from "@playwright/test";
import { expectAccessible, expectNoSidewaysScroll, isLive, shoot, watchErrors } from "./helpers";
import { party, contact, finished } from "./mock-data.mjs";
import { startMock, type Mock, type MockCall } from "./mock-server.mjs";
import { answer, deWaal, end, jansen, unknown } from "./mock-script.mjs";
import { ADA } from "./mock-work.mjs";

let mock: Mock;
test.beforeEach(async () => {
  mock = await startMock({ work: {} });
});
test.afterEach(() => mock.stop());

const JANSEN = "Mevrouw A. (Anneke) Jansen";
const card = (page: Page, name = JANSEN) => page.getByRole("region", { name: "Calls" }).getByRole("group", { name, exact: true });
const form = (page: Page) => page.getByRole("form", { name: "Contact moment" });
const subject = (page: Page) => form(page).getByLabel("Subject");
const notes = (page: Page) => form(page).getByLabel("Notes");
const outcome = (page: Page, name: string) => form(page).getByRole("radio", { name });
const complete = (page: Page) => form(page).getByRole("button", { name: /^Complete/ });
const asked = (end: string) => (mock.state.work?.asked ?? []).filter((a) => `${a.method} ${a.path}`.endsWith(end) || a.path.endsWith(end)).map((a) => a.body);
const patches = () => (mock.state.work?.asked ?? []).filter((a) => a.method === "PATCH").map((a) => a.body);
const saved = (page: Page) => form(page).locator("[data-saved]");

async function open(page: Page): Promise<string[]> {
  const errors = watchErrors(page);
  await page.goto(mock.url);
  await isLive(page);
  await expect(page.getByRole("link", { name: /^Tasks/ })).toBeVisible();
  return errors;
}
async function talking(page: Page, make: (now: number) => MockCall = jansen): Promise<MockCall> {
  const c = mock.ring(make(Date.now()));
  answer(c);
  mock.emit("call.started", c);
  await expect(form(page)).toBeVisible();
  return c;
}
async function wrappingUp(page: Page): Promise<MockCall> {
  const c = await talking(page);
  end(c);
  mock.emit("call.ended", c);
  await expect(card(page)).toHaveAttribute("data-status", "wrap-up");
  return c;
}

test("while talking: the form stands in the middle, the caller beside it, and what is typed is kept", async ({ page }) => {
  const errors = await open(page);
  await talking(page);
  await expect(page.getByRole("tab", { name: "Caller" })).toHaveAttribute("aria-selected", "true");
  await expect(page.locator("#list").getByRole("heading", { name: JANSEN })).toBeVisible();
  await subject(page).fill("Passport: evening slot to collect");
  await notes(page).fill("Works until 18:00, cannot come before 18:30.");
  await expect(saved(page)).toHaveText(/^Saved \d\d:\d\d:\d\d$/);
  expect(patches().at(-1)).toEqual({ subject: "Passport: evening slot to collect", outcome: null, notes: "Works until 18:00, cannot come before 18:30.", version: expect.any(Number) });
  await expect(complete(page)).toHaveAttribute("aria-disabled", "true");
  await expect(complete(page)).toHaveAccessibleDescription("Nothing is sent until the call ends.");
  await expectAccessible(page, "talking");
  await shoot(page, "moment-talking-light");
  // A ringing caller does not take the form away.
  mock.ring(unknown(Date.now()));
  await expect(page.locator("#calls [data-status=ringing]")).toBeVisible();
  await expect(notes(page)).toHaveValue("Works until 18:00, cannot come before 18:30.");
  expect(errors).toEqual([]);
});

test("answered by key, the focus is in the notes; Esc leaves the field, digits choose", async ({ page }) => {
  await open(page);
  mock.ring(jansen(Date.now()));
  await expect(card(page).getByRole("button", { name: /^Answer/ })).toBeVisible();
  await page.keyboard.press("F2");
  await expect(notes(page)).toBeFocused();
  await page.keyboard.type("1 form, 2 copies");
  await expect(outcome(page, "Resolved")).not.toBeChecked();
  await expect(notes(page)).toHaveValue("1 form, 2 copies");
  await page.keyboard.press("Escape");
  await expect(notes(page)).not.toBeFocused();
  await expect(form(page)).toBeVisible();
  await page.keyboard.press("2");
  await expect(outcome(page, "Call back")).toBeChecked();
  await expect(form(page).getByRole("group", { name: "Call back" })).toBeVisible();
  await expect.poll(() => patches().at(-1)?.["outcome"]).toBe("callback");
});

test("wrap-up: a call back for me, by keys alone", async ({ page }) => {
  const errors = await open(page);
  const c = await wrappingUp(page);
  await expect(card(page).getByRole("timer")).toHaveText(/^1:[0-3]\d$/);
  await subject(page).fill("Passport: evening slot");
  await outcome(page, "Call back").check();
  const follow = form(page).getByRole("group", { name: "Call back" });
  await follow.getByLabel("Day").fill("2030-11-26");
  await follow.getByLabel("From").fill("18:30");
  await follow.getByLabel("Until").fill("19:30");
  await expect(follow.getByLabel("On number")).toHaveValue("+31612345678");
  await expect(form(page).locator("[data-does]")).toHaveText(/^Completing makes one call-back task for you, due Tue,? 26 Nov 19:30, linked to this call\.$/);
  await expectAccessible(page, "wrap-up");
  await shoot(page, "moment-wrapup-light");
  await page.keyboard.press("Control+Enter");
  await expect(card(page)).toHaveAttribute("data-status", "done");
  await expect(form(page)).toHaveCount(0);
  await expect(page.getByLabel("Number or extension")).toBeFocused();
  await expect(card(page)).toHaveCount(0);
  expect(asked("/disposition")).toEqual([{
    subject: "Passport: evening slot", outcome: "callback", notes: null, version: expect.any(Number),
    task: { priority: "normaal", deadline: await iso(page, "2030-11-26T19:30"), preferred_from: await iso(page, "2030-11-26T18:30"), preferred_to: await iso(page, "2030-11-26T19:30"), callback_number: "+31612345678", assignee_agent_id: ADA.id },
  }]);
  await expect(page.locator("#say")).toHaveText(`${JANSEN}: completed, and a task was made`);
  await expect(page.getByRole("link", { name: /^Tasks ?, 1 open$/ })).toBeVisible();
  expect(await page.evaluate(() => Object.keys(localStorage).filter((k) => k.startsWith("switchhook.draft")))).toEqual([]);
  // What was said is in the record, and can be corrected.
  await page.locator(`#list [data-call="${c.id}"]`).click();
  const said = page.getByRole("region", { name: "Contact moment" });
  await expect(said.getByText("Passport: evening slot")).toBeVisible();
  await expectAccessible(page, "completed");
  await shoot(page, "moment-completed-light");
  await said.getByRole("button", { name: "Change" }).click();
  await subject(page).fill("Passport: morning slot");
  await form(page).getByRole("button", { name: /^Correct/ }).click();
  await expect.poll(() => asked("/disposition").at(-1)?.["subject"]).toBe("Passport: morning slot");
  expect(asked("/disposition").at(-1)).not.toHaveProperty("task");
  expect(errors).toEqual([]);
});
const iso = (page: Page, local: string): Promise<string> => page.evaluate((text) => new Date(text).toISOString(), local);

test("escalated: to the queue of the settings; the app's own outcomes come after the built-in ones", async ({ page }) => {
  if (mock.state.work) mock.state.work.settings["outcomes"] = [{ code: "appointment", label: "Appointment <b>made</b>", task: null }];
  await open(page);
  await wrappingUp(page);
  await expect(form(page).getByRole("radio")).toHaveCount(7);
  await expect(outcome(page, "Appointment <b>made</b>")).toBeVisible();
  await subject(page).fill("Damage");
  await outcome(page, "Escalate").check();
  const follow = form(page).getByRole("group", { name: "Task that follows" });
  await follow.getByLabel("Queue").fill("Second line");
  await follow.getByText("High").click();
  await expect(form(page).locator("[data-does]")).toContainText("one follow-up task for queue Second line");
  await complete(page).click();
  await expect.poll(() => asked("/disposition").length).toBe(1);
  expect(asked("/disposition")[0]).toMatchObject({ outcome: "escalated", task: { queue: "Second line", priority: "hoog" } });
});

test("what is missing has the focus and is said; a time that has passed too", async ({ page }) => {
  await open(page);
  await wrappingUp(page);
  await expect(complete(page)).toHaveAccessibleDescription("Give a subject to complete.");
  await complete(page).click({ force: true });
  await expect(subject(page)).toBeFocused();
  await subject(page).fill("A");
  await expect(complete(page)).toHaveAccessibleDescription("Choose an outcome to complete.");
  await outcome(page, "Call back").check();
  await form(page).getByLabel("Day").fill("2020-01-01");
  await expect(form(page).getByText("That time has passed. Choose a later one.").first()).toBeVisible();
  await expect(complete(page)).toHaveAttribute("aria-disabled", "true");
  await expectAccessible(page, "faults");
  expect(asked("/disposition")).toEqual([]);
});

test("more time, until done, and later: it waits in To complete with its notes", async ({ page }) => {
  await open(page);
  const c = await wrappingUp(page);
  await notes(page).fill("Half a sentence");
  await page.keyboard.press("F4");
  await expect(card(page).getByRole("timer")).toHaveText(/^2:[0-3]\d$/);
  await card(page).getByRole("button", { name: "Stay until done" }).click();
  await expect(card(page).getByText("until done")).toBeVisible();
  await shoot(page, "moment-stay-light");
  await form(page).getByRole("button", { name: "Later" }).click();
  const todo = page.getByRole("region", { name: "To complete" });
  await expect(todo.getByText(/notes kept/)).toBeVisible();
  await expect(card(page)).toHaveCount(0);
  await expect(todo.getByRole("button", { name: `Finish: ${JANSEN}` })).toBeVisible();
  await expectAccessible(page, "to complete");
  await shoot(page, "moment-later-light");
  // Another device finds it in the same list.
  await page.reload();
  await todo.getByRole("button", { name: `Finish: ${JANSEN}` }).click();
  await expect(notes(page)).toHaveValue("Half a sentence");
  await subject(page).fill("Done now");
  await outcome(page, "Resolved").check();
  await page.keyboard.press("Control+Enter");
  await expect(todo).toHaveCount(0);
  expect(asked(`${c.id}/disposition`)[0]).toMatchObject({ subject: "Done now", notes: "Half a sentence", outcome: "resolved" });
});

test("at 0:00 it moves to To complete; the form stays where it is", async ({ page }) => {
  if (mock.state.work) mock.state.work.settings["wrap_up_seconds"] = 4;
  await open(page);
  await wrappingUp(page);
  await expect(page.getByRole("region", { name: "To complete" }).getByText(JANSEN)).toBeVisible();
  await expect(card(page)).toHaveCount(0);
  await expect(form(page)).toBeVisible();
});

test("typing stops the clock at 0:10", async ({ page }) => {
  if (mock.state.work) mock.state.work.settings["wrap_up_seconds"] = 9;
  await open(page);
  await wrappingUp(page);
  await notes(page).fill("Still writing");
  await expect(card(page).getByText("waits while you type")).toBeVisible();
  await expect(card(page).getByRole("timer")).toHaveText("0:10");
});

test("an outbound call nobody answered suggests its outcome; a voicemail waits as a call back", async ({ page }) => {
  await mock.stop();
  mock = await startMock({ work: {}, rows: (now) => [finished(now - 600_000, 20, { status: "voicemail", answered_at: null, contact: contact("Dhr. P. Smit"), from: party("+31633334444") })] });
  await open(page);
  await page.getByRole("button", { name: "Finish: Dhr. P. Smit" }).click();
  await expect(outcome(page, "Call back")).toBeChecked();
  await expect(form(page).getByText("suggested by the call")).toBeVisible();
});

test("a save that fails is said, keeps the text over a reload, and is done when the server is back", async ({ page }) => {
  await open(page);
  await talking(page);
  if (mock.state.work) mock.state.work.refuse = { "": { status: 503, code: "store_busy", detail: "The store is busy." } };
  await notes(page).fill("Do not lose this");
  await expect(saved(page)).toHaveText("Not saved");
  await expect(form(page).getByText(/It is kept on this device/)).toBeVisible();
  await expectAccessible(page, "not saved");
  await shoot(page, "moment-not-saved-light");
  if (mock.state.work) mock.state.work.refuse = {};
  await page.reload();
  await page.locator("#calls").getByRole("button", { name: /^Show/ }).click();
  await expect(notes(page)).toHaveValue("Do not lose this");
  await expect(saved(page)).toHaveText(/^Saved/);
  expect(patches().at(-1)?.["notes"]).toBe("Do not lose this");
});

test("two devices: the later text stands, the other version is kept beside it", async ({ page }) => {
  await open(page);
  const c = await talking(page);
  await notes(page).fill("First");
  await expect(saved(page)).toHaveText(/^Saved/);
  const kept = mock.state.work?.moments.get(c.id);
  mock.state.work?.moments.set(c.id, { ...kept, version: (kept?.version ?? 0) + 1, notes: "From the other desk", edited_at: new Date().toISOString() });
  await notes(page).fill("First, and more");
  const other = form(page).getByText(/^Other version, \d\d:\d\d\./);
  await expect(other).toBeVisible();
  await expect(form(page).getByText("From the other desk")).toBeVisible();
  await expect.poll(() => mock.state.work?.moments.get(c.id)?.["notes"]).toBe("First, and more");
  await expectAccessible(page, "other version");
  await shoot(page, "moment-other-light");
  await form(page).getByRole("button", { name: "Use this one" }).click();
  await expect(notes(page)).toHaveValue("From the other desk");
  await form(page).getByRole("button", { name: "Put away" }).click();
  await expect(other).toHaveCount(0);
});

test("completing that is refused keeps everything", async ({ page }) => {
  await open(page);
  await wrappingUp(page);
  if (mock.state.work) mock.state.work.refuse = { "/disposition": { status: 503, code: "store_busy", detail: "The store is busy. Try again." } };
  await subject(page).fill("Keep me");
  await outcome(page, "Resolved").check();
  await complete(page).click();
  await expect(form(page).getByRole("alert")).toContainText("Not completed. The store is busy. Try again.");
  await expect(subject(page)).toHaveValue("Keep me");
  if (mock.state.work) mock.state.work.refuse = {};
  await complete(page).click();
  await expect(form(page)).toHaveCount(0);
});

test("a call of somebody else brings no form, but can be written of", async ({ page }) => {
  await open(page);
  const c = jansen(Date.now());
  c["agent"] = { id: null, extension: "101", user_id: null, email: null, name: "Agent Grace" };
  mock.ring(c);
  answer(c);
  mock.emit("call.started", c);
  await expect(page.getByRole("region", { name: "Caller" }).getByRole("heading", { name: JANSEN })).toBeVisible();
  await expect(form(page)).toHaveCount(0);
  end(c);
  mock.emit("call.ended", c);
  await expect(card(page)).toHaveCount(0);
  await expect(page.getByRole("region", { name: "To complete" })).toHaveCount(0);
  await page.getByRole("button", { name: "Write", exact: true }).click();
  await expect(form(page)).toBeVisible();
});

test("several callers: chosen by number key, remembered", async ({ page }) => {
  await open(page);
  const { c, pop } = deWaal(Date.now());
  const matches = (pop as { matches: { id: string; name: string }[] }).matches;
  if (mock.state.work) mock.state.work.known = matches;
  mock.ring(c, pop);
  const work = page.getByRole("region", { name: "Caller" });
  await expect(work.getByRole("button", { name: "Choose Dhr. Ruben de Waal" })).toBeVisible();
  await expectAccessible(page, "chooser");
  await shoot(page, "chooser-light");
  await page.keyboard.press("2");
  await expect(work.getByRole("heading", { name: "Mevr. Chantal Bos" })).toBeVisible();
  expect(asked("/contact")).toEqual([{ contact_id: matches[1]?.id, remember: true }]);
  // Answered first and chosen later, beside the form.
  const second = deWaal(Date.now());
  mock.ring(second.c, second.pop);
  answer(second.c);
  mock.emit("call.started", second.c);
  await expect(form(page)).toBeVisible();
  await expect(page.locator("#list").getByRole("button", { name: "Choose Mevr. Chantal Bos" })).toBeVisible();
  await expectAccessible(page, "chooser beside the form");
  await shoot(page, "chooser-beside-light");
});

test("nobody on file: a contact is made from the call", async ({ page }) => {
  await open(page);
  await talking(page, unknown);
  await page.getByRole("button", { name: "New contact from this call" }).click();
  const intake = page.getByRole("form", { name: "New contact" });
  await expect(intake.getByLabel("Name")).toBeFocused();
  await expect(intake.getByLabel("Number")).toHaveValue("+31 6 87654321");
  await page.keyboard.press("Control+Enter");
  await expect(intake.getByText("Fill this in.")).toBeVisible();
  await intake.getByLabel("Name").fill("Youssef Aït Hammou");
  await expectAccessible(page, "intake");
  await shoot(page, "intake-light");
  await page.keyboard.press("Control+Enter");
  await expect(page.locator("#list").getByRole("heading", { name: "Youssef Aït Hammou" })).toBeVisible();
  expect(asked("/contact")).toEqual([{ name: "Youssef Aït Hammou" }]);
});

test("pops switched off: the card comes, the middle stays", async ({ page }) => {
  if (mock.state.work) mock.state.work.settings["screen_pop_enabled"] = false;
  await open(page);
  mock.ring(jansen(Date.now()));
  await expect(card(page)).toBeVisible();
  await expect(page.getByText("No caller to show")).toBeVisible();
});

for (const scheme of ["light", "dark"] as const) {
  test(`the form at every width in ${scheme}, in Dutch, with hostile names`, async ({ browser }) => {
    if (mock.state.work) mock.state.work.settings["outcomes"] = [{ code: "long", label: "Doorverwezen naar de omgevingsdienst voor vergunningverlening", task: "informatievraag" }];
    const context = await browser.newContext({ colorScheme: scheme, locale: "nl-NL", viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    const errors = watchErrors(page);
    await page.goto(mock.url);
    await isLive(page);
    const other = jansen(Date.now() - 60_000);
    other["contact"] = contact("\u202eمحمد <script>alert(1)</script> van der Wolkenbergh-Schimmelpenninck 😀");
    mock.ring(other);
    answer(other);
    end(other);
    mock.emit("call.ended", other);
    const c = mock.ring(jansen(Date.now()));
    answer(c);
    mock.emit("call.started", c);
    end(c);
    mock.emit("call.ended", c);
    const dutch = page.getByRole("form", { name: "Contactmoment" });
    await dutch.getByLabel("Onderwerp").fill("Paspoort: avondafspraak");
    await dutch.getByRole("radio", { name: "Terugbellen" }).check();
    await expect(dutch.locator("[data-does]")).toContainText("één terugbelverzoek");
    for (const width of [1440, 900, 768, 320]) {
      await page.setViewportSize({ width, height: width === 320 ? 640 : 900 });
      await expectNoSidewaysScroll(page);
      await expectAccessible(page, `${scheme} ${width}`);
      await shoot(page, `moment-nl-${scheme}-${width}`, width === 320);
    }
    expect(errors).toEqual([]);
    await context.close();
  });
}

test("who may only read sees what was said, and no form", async ({ page }) => {
  if (mock.state.work) mock.state.work.scopes = ["calls:read", "events:read", "moments:read"];
  await open(page);
  const c = mock.ring(jansen(Date.now()));
  answer(c);
  mock.emit("call.started", c);
  const said = page.getByRole("region", { name: "Contact moment" });
  await expect(said).toBeVisible();
  await expect(said.getByRole("button")).toHaveCount(0);
  await expect(form(page)).toHaveCount(0);
});

test("an older server: no form, no tasks, nothing asked twice", async ({ page }) => {
  await mock.stop();
  mock = await startMock();
  await page.goto(mock.url);
  await isLive(page);
  const c = mock.ring(jansen(Date.now()));
  answer(c);
  mock.emit("call.started", c);
  await expect(page.getByRole("region", { name: "Caller" }).getByRole("heading", { name: JANSEN })).toBeVisible();
  await expect(form(page)).toHaveCount(0);
  await expect(page.getByRole("link", { name: /^Tasks/ })).toHaveCount(0);
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await expect(page.getByRole("region", { name: "Caller" })).toBeVisible();
});
