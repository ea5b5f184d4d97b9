// The tasks view: what is to be done, in order, and doing it.

import { expect, test, type Page } from "@playwright/test";
import { expectAccessible, expectNoSidewaysScroll, isLive, shoot, watchErrors } from "./helpers";
import { startMock, type Mock, type MockTask } from "./mock-server.mjs";
import { answer, jansen } from "./mock-script.mjs";
import { ADA, GRACE, someTasks, task } from "./mock-work.mjs";

let mock: Mock;
test.beforeEach(async () => {
  mock = await startMock({ work: { tasks: someTasks(Date.now()) } });
});
test.afterEach(() => mock.stop());

const work = (page: Page) => page.getByRole("region", { name: "Tasks", exact: true });
const row = (page: Page, name: string) => work(page).locator("[data-task]").filter({ hasText: name });
const detail = (page: Page) => page.getByRole("article");
const asked = () => (mock.state.work?.asked ?? []).map((a) => [a.path.split("/").at(-1), a.body]);
const find = (subject: string): MockTask => [...(mock.state.work?.tasks.values() ?? [])].find((t) => t["subject"] === subject) as MockTask;
const change = (one: MockTask, more: object): void => {
  Object.assign(one, more, { version: one.version + 1 });
  mock.emit("task.updated", null, { task: one });
};

async function open(page: Page): Promise<string[]> {
  const errors = watchErrors(page);
  await page.goto(mock.url);
  await isLive(page);
  await expect(page.getByRole("link", { name: /^Tasks/ })).toBeVisible();
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await expect(work(page)).toBeVisible();
  return errors;
}

test("by G T: overdue first and marked, then by deadline and priority; filters", async ({ page }) => {
  const errors = await open(page);
  await expect(page.getByRole("link", { name: /^Tasks ?, 3 open, 1 overdue$/ })).toHaveAttribute("aria-current", "page");
  await expect(work(page).locator("[data-task]")).toHaveCount(4);
  const subjects = async () => (await work(page).locator("[data-task] .name").allTextContents()).map((s) => s.trim());
  expect(await subjects()).toEqual(["Letter of 9 November", "Passport: evening slot to collect", "Which forms for a birth abroad?", "Moved house, asked for the form"]);
  await expect(work(page).getByRole("region", { name: "Overdue" }).getByText("32 m late")).toBeVisible();
  await row(page, "Passport").click();
  await expect(detail(page).getByRole("heading", { name: "Passport: evening slot to collect" })).toBeVisible();
  await expectAccessible(page, "tasks");
  await shoot(page, "tasks-light");
  await work(page).getByText("Unassigned 2").click();
  expect(await subjects()).toEqual(["Terrace permit, after committee", "Road closed on Sunday: whom to tell"]);
  await work(page).getByText("All 6").click();
  await expect(work(page).locator("[data-task]")).toHaveCount(7);
  await page.keyboard.press("g");
  await page.keyboard.press("c");
  await expect(page.getByRole("region", { name: "Caller" })).toBeVisible();
  expect(errors).toEqual([]);
});

test("claimed by C, tried by X, given away, put back", async ({ page }) => {
  await open(page);
  await work(page).getByText("Unassigned 2").click();
  await row(page, "Terrace permit").click();
  await page.keyboard.press("c");
  await expect(page.locator("#say")).toHaveText("Terrace permit, after committee: claimed");
  await expect(work(page).getByText("Mine 4")).toBeVisible();
  await expect(detail(page).getByText("In hand")).toBeVisible();
  await page.keyboard.press("x");
  await expect(detail(page).getByText("not reached, Agent Ada")).toBeVisible();
  await detail(page).getByRole("button", { name: "Give to…" }).click();
  await expect(detail(page).getByLabel("Give to")).toBeFocused();
  await detail(page).getByLabel("Give to").selectOption(GRACE.name);
  await expectAccessible(page, "give");
  await shoot(page, "tasks-give-light");
  await detail(page).getByRole("button", { name: "Give", exact: true }).click();
  await expect(detail(page).getByRole("definition").filter({ hasText: GRACE.name }).first()).toBeVisible();
  expect(asked()).toEqual([
    ["claim", { version: 1 }],
    ["attempts", { result: "niet_bereikt", version: 2 }],
    ["assign", { agent_id: GRACE.id, version: 3 }],
  ]);
});

test("claimed by somebody else a moment before: said, and shown as it stands", async ({ page }) => {
  await open(page);
  await work(page).getByText("Unassigned 2").click();
  await row(page, "Road closed").click();
  const one = find("Road closed on Sunday: whom to tell");
  Object.assign(one, { assignee: { id: GRACE.id, name: GRACE.name }, status: "in_behandeling", version: 2 });
  await detail(page).getByRole("button", { name: /^Claim/ }).click();
  await expect(detail(page).getByRole("alert")).toContainText("This task has already been claimed.");
  await expect(detail(page).getByRole("button", { name: /^Claim/ })).toHaveCount(0);
  await expectAccessible(page, "claim refused");
});

test("called back, completed with what came of it, and opened again", async ({ page }) => {
  await page.addInitScript(() => localStorage.setItem("switchhook.extension", "100"));
  await open(page);
  await row(page, "Letter of 9 November").click();
  await expect(detail(page).getByText("left our number")).toBeVisible();
  await detail(page).getByRole("button", { name: "Complete…" }).click();
  await detail(page).getByLabel(/^What came of it/).fill("Page two sent.");
  await page.keyboard.press("Enter");
  await expect(detail(page).getByText("Page two sent.")).toBeVisible();
  await expect(work(page).getByRole("region", { name: "Done today" }).getByText("Letter of 9 November")).toBeVisible();
  await expect(page.getByRole("link", { name: /^Tasks ?, 2 open$/ })).toBeVisible();
  await shoot(page, "tasks-done-light");
  await detail(page).getByRole("button", { name: "Open again" }).click();
  await expect(page.getByRole("link", { name: /^Tasks ?, 3 open, 1 overdue$/ })).toBeVisible();
  await detail(page).getByRole("button", { name: "Call", exact: true }).click();
  await expect.poll(() => mock.state.commands.asked.map((a) => a.body)).toEqual([{ to: "+31633334444", extension: "100" }]);
});

test("a new task by N and Ctrl+Enter; Esc does not throw it away at once", async ({ page }) => {
  await open(page);
  await page.keyboard.press("n");
  const form = page.getByRole("form", { name: "New task" });
  await expect(form.getByLabel("Subject")).toBeFocused();
  await page.keyboard.press("Control+Enter");
  await expect(form.getByText("Fill this in.")).toBeVisible();
  await page.keyboard.type("Send the form");
  await page.keyboard.press("Escape");
  await expect(form.getByLabel("Subject")).toHaveValue("Send the form");
  await form.getByText("Follow up", { exact: true }).click();
  await form.getByLabel("Due").fill("2030-11-26");
  await form.getByLabel("Time").fill("12:00");
  await form.getByLabel("Assigned to").selectOption(GRACE.name);
  await expectAccessible(page, "new task");
  await shoot(page, "tasks-new-light");
  await form.getByLabel("Time").press("Control+Enter");
  await expect(detail(page).getByRole("heading", { name: "Send the form" })).toBeVisible();
  await expect(row(page, "Send the form")).toBeVisible();
  expect(asked()[0]?.[1]).toMatchObject({ type: "opvolgtaak", subject: "Send the form", assignee_agent_id: GRACE.id, priority: "normaal" });
});

test("what was given to me is begun by C; whoever is no supervisor gives nothing away", async ({ page }) => {
  const given = task({ subject: "Given to me", assignee: { id: ADA.id, name: ADA.name } });
  mock.state.work?.tasks.set(given.id, given);
  await page.route("**/api/me", async (route) => {
    const answer = (await (await route.fetch()).json()) as { data: object };
    await route.fulfill({ json: { ...answer, data: { ...answer.data, role: "agent" } } });
  });
  await open(page);
  await row(page, "Given to me").click();
  await expect(detail(page).getByText("Not begun")).toBeVisible();
  await expect(detail(page).getByRole("button", { name: /^Begin/ })).toBeVisible();
  await expect(detail(page).getByRole("button", { name: "Give to…" })).toHaveCount(0);
  await page.keyboard.press("c");
  await expect(detail(page).getByText("In hand")).toBeVisible();
  await expect(detail(page).getByRole("button", { name: /^Begin/ })).toHaveCount(0);
});

test("live: made, changed and done elsewhere", async ({ page }) => {
  await open(page);
  const made = task({ subject: "From another desk", assignee: { id: ADA.id, name: ADA.name }, status: "in_behandeling", deadline: new Date(Date.now() + 60_000).toISOString() });
  mock.state.work?.tasks.set(made.id, made);
  mock.emit("task.created", null, { task: made });
  await expect(row(page, "From another desk")).toBeVisible();
  await expect(page.locator("#say")).toHaveText("New task for you: From another desk");
  change(made, { status: "afgerond", completed_at: new Date().toISOString() });
  await expect(work(page).getByRole("region", { name: "Done today" }).getByText("From another desk")).toBeVisible();
  // What an event told is not undone by an older answer.
  mock.emit("task.updated", null, { task: { ...made, version: 1, status: "open" } });
  await expect(work(page).getByRole("region", { name: "Done today" }).getByText("From another desk")).toBeVisible();
});

test("a ringing caller is shown over the tasks and gives the place back; the arrows move", async ({ page }) => {
  await open(page);
  const c = mock.ring(jansen(Date.now()));
  await expect(page.getByRole("region", { name: "Caller" })).toBeVisible();
  mock.emit("call.missed", Object.assign(c, { status: "missed", ended_at: new Date().toISOString() }));
  await expect(work(page)).toBeVisible();
  await row(page, "Letter").focus();
  await page.keyboard.press("ArrowDown");
  await expect(row(page, "Passport")).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(detail(page).getByRole("heading", { name: /^Passport/ })).toBeVisible();
  // With the focus in the list somebody is at work there: the next caller waits on the card.
  const second = mock.ring(jansen(Date.now()));
  await expect(page.locator(`#calls [aria-labelledby="who-${second.id}"]`).getByRole("button", { name: /^Show/ })).toBeVisible();
  await expect(work(page)).toBeVisible();
  answer(second);
  mock.emit("call.started", second);
  await expect(work(page)).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(detail(page)).toHaveCount(0);
});

test("empty, loading and failed", async ({ page }) => {
  mock.state.work?.tasks.clear();
  const release = mock.holdBack("/api/tasks");
  await open(page);
  await expect(work(page).getByText("Loading tasks")).toBeAttached();
  release();
  await expect(work(page).getByText("No tasks for you")).toBeVisible();
  await expectAccessible(page, "empty");
  await shoot(page, "tasks-empty-light");
  await page.route("**/api/tasks?**", (route) => route.fulfill({ status: 503, body: "{}" }));
  await page.reload();
  await isLive(page);
  await page.getByRole("link", { name: /^Tasks/ }).click();
  await expect(work(page).getByText("Tasks could not be loaded.")).toBeVisible();
  await expectAccessible(page, "failed");
  await page.unroute("**/api/tasks?**");
  await work(page).getByRole("button", { name: "Try again" }).click();
  await expect(work(page).getByText("No tasks for you")).toBeVisible();
});

for (const scheme of ["light", "dark"] as const) {
  test(`tasks at every width in ${scheme}, in Dutch, with hostile names`, async ({ browser }) => {
    const long = task({ subject: "\u202eمحمد <script>alert(1)</script> over de vergunning van de Wolkenbergh-Schimmelpenninckstraat 😀", deadline: new Date(Date.now() - 3 * 86_400_000).toISOString(), assignee: { id: ADA.id, name: ADA.name }, status: "in_behandeling", callback_number: "+31612345678", priority: "hoog", queue: "Vergunningen, toezicht en handhaving" });
    mock.state.work?.tasks.set(long.id, long);
    const context = await browser.newContext({ colorScheme: scheme, locale: "nl-NL", viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    const errors = watchErrors(page);
    await page.goto(mock.url);
    await isLive(page);
    await page.getByRole("link", { name: /^Taken/ }).click();
    await expect(page.locator("[data-task]")).toHaveCount(5);
    for (const width of [1440, 900, 768, 320]) {
      await page.setViewportSize({ width, height: width === 320 ? 640 : 900 });
      await expectNoSidewaysScroll(page);
      await expectAccessible(page, `${scheme} ${width}`);
      await shoot(page, `tasks-nl-${scheme}-${width}`, width === 320);
      await page.locator(`[data-task="${long.id}"]`).click();
      await expectNoSidewaysScroll(page);
      await expectAccessible(page, `${scheme} ${width}, open`);
      await shoot(page, `tasks-open-nl-${scheme}-${width}`, width === 320);
      await page.keyboard.press("n");
      await expectNoSidewaysScroll(page);
      await expectAccessible(page, `${scheme} ${width}, new`);
      await shoot(page, `tasks-new-nl-${scheme}-${width}`, width === 320);
      await page.getByRole("button", { name: "Annuleren" }).click();
    }
    expect(errors).toEqual([]);
    await context.close();
  });
}
