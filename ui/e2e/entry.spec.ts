// Coming in: with a password, with single sign-on, by set-up link and by invitation; by keyboard,
// in both themes, narrow and wide.

import { expect, test, type Page } from "@playwright/test";
import { startMock, type Mock, type MockEntry } from "./mock-server.mjs";
import { expectAccessible, expectNoSidewaysScroll, isLive, shoot, watchErrors } from "./helpers";

const PASSWORD = "correct horse battery";
const EMAIL = "fatima@example.nl";
let mock: Mock;

async function serve(entry: Partial<MockEntry> = {}): Promise<void> {
  mock = await startMock({ signedIn: false, entry });
}
test.afterEach(async () => mock.stop());

const email = (page: Page) => page.getByRole("textbox", { name: "E-mail" });
const password = (page: Page) => page.getByLabel("Password", { exact: true });
const newPassword = (page: Page) => page.getByLabel("New password", { exact: true });
const alarm = (page: Page) => page.locator(".entry-fault");

test("a password lets somebody in, by keyboard alone", async ({ page }) => {
  await serve();
  const errors = watchErrors(page);
  await page.goto(mock.url);
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await expect(email(page)).toBeFocused();
  await expectAccessible(page, "sign-in form");
  await page.keyboard.type(EMAIL);
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await isLive(page);
  expect(mock.state.entry?.asked).toEqual([{ path: "/api/sign-in", body: { email: EMAIL, password: PASSWORD } }]);
  expect(errors).toEqual([]);
});

test("what is wrong is said, the password is emptied, the e-mail stays", async ({ page }) => {
  await serve();
  await page.goto(mock.url);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(alarm(page)).toHaveText("Enter your e-mail and your password.");
  expect(mock.state.entry?.asked).toEqual([]);
  await email(page).fill(EMAIL);
  await password(page).fill("wrong");
  await page.keyboard.press("Enter");
  await expect(alarm(page)).toContainText("E-mail and password do not fit.");
  await expect(password(page)).toHaveValue("");
  await expect(password(page)).toBeFocused();
  await expect(email(page)).toHaveValue(EMAIL);
  await expectAccessible(page, "sign-in refused");
  await shoot(page, "entry-refused-light");
  if (mock.state.entry) mock.state.entry.throttled = true;
  await password(page).fill("wrong again");
  await page.keyboard.press("Enter");
  await expect(alarm(page)).toContainText("Too many attempts.");
});

test("a password can be looked at before it is sent", async ({ page }) => {
  await serve();
  await page.goto(mock.url);
  await password(page).fill("seen");
  await expect(password(page)).toHaveAttribute("type", "password");
  await page.getByRole("button", { name: "Show" }).click();
  await expect(password(page)).toHaveAttribute("type", "text");
  await page.getByRole("button", { name: "Hide" }).click();
  await expect(password(page)).toHaveAttribute("type", "password");
});

test("an account in two apps asks which", async ({ page }) => {
  await serve({ apps: 2 });
  await page.goto(mock.url);
  await email(page).fill(EMAIL);
  await password(page).fill(PASSWORD);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Which app?" })).toBeFocused();
  await expectAccessible(page, "choice of an app");
  await shoot(page, "entry-choose-light");
  await page.getByRole("button", { name: "Burgerzaken" }).click();
  await isLive(page);
  expect(mock.state.entry?.asked.at(-1)?.body).toEqual({ email: EMAIL, password: PASSWORD, app_id: "a2" });
});

test("single sign-on is offered first, and its failure is said in words", async ({ page }) => {
  await serve({ oidc: { name: "Gemeente-account", url: "/sign-in/oidc" } });
  await page.goto(`${mock.url}/?sign_in_error=person_unknown`);
  await expect(page.getByRole("link", { name: "Sign in with Gemeente-account" })).toHaveAttribute("href", "/sign-in/oidc");
  await expect(alarm(page)).toBeVisible();
  expect(new URL(page.url()).search).toBe("");
  await expectAccessible(page, "single sign-on");
  await shoot(page, "entry-oidc-light");
});

test("the first account is made by the link of the console", async ({ page }) => {
  await serve({ setUp: true });
  await page.goto(mock.url);
  await expect(page.getByRole("heading", { name: "Almost ready" })).toBeVisible();
  await page.goto(`${mock.url}/set-up?token=good`);
  await page.getByRole("button", { name: "Create and sign in" }).click();
  await expect(alarm(page)).toHaveText("Look at what is marked below.");
  await expect(page.getByText("At least 12 characters.", { exact: true })).toBeVisible();
  await expectAccessible(page, "set-up with faults");
  await shoot(page, "entry-setup-faults-light", true);
  await page.getByLabel("Name of your organisation or team").fill("Gemeente Dordrecht");
  await page.getByLabel("Country").fill("nl");
  await page.getByLabel("Your name").fill("Fatima");
  await email(page).fill(EMAIL);
  await newPassword(page).fill("my Gemeente Dordrecht");
  await page.keyboard.press("Enter");
  await expect(page.getByText("must not hold the name of the app").first()).toBeVisible();
  await newPassword(page).fill(PASSWORD);
  await page.keyboard.press("Enter");
  await isLive(page);
  expect(new URL(page.url()).pathname + new URL(page.url()).search).toBe("/");
  expect(mock.state.entry?.asked.at(-1)?.body).toMatchObject({ token: "good", country: "NL", app_name: "Gemeente Dordrecht" });
});

test("an invitation and a reset are accepted once, a dead link says so", async ({ page }) => {
  await serve();
  await page.goto(`${mock.url}/invitation?token=used`);
  await expect(page.getByRole("heading", { name: "This link does not work" })).toBeVisible();
  await expectAccessible(page, "dead invitation");
  await page.goto(`${mock.url}/invitation?token=reset`);
  await expect(page.getByRole("heading", { name: "Choose a new password" })).toBeVisible();
  await expect(page.getByLabel("Your name")).toHaveCount(0);
  await page.goto(`${mock.url}/invitation?token=good`);
  await expect(page.getByRole("heading", { name: "Welcome to Klantcontact" })).toBeVisible();
  await expect(page.getByText("You were invited as supervisor.")).toBeVisible();
  await expectAccessible(page, "invitation");
  await shoot(page, "entry-invitation-light", true);
  await page.getByLabel("Your name").fill("Fatima");
  await newPassword(page).fill(PASSWORD);
  await page.keyboard.press("Enter");
  await isLive(page);
});

for (const theme of ["light", "dark"] as const) {
  for (const width of [1440, 320]) {
    test(`coming in, ${theme}, ${width} px, in Dutch`, async ({ page }) => {
      await serve({ oidc: { name: "Microsoft Entra ID van de gemeente", url: "/sign-in/oidc" } });
      await page.emulateMedia({ colorScheme: theme });
      await page.setViewportSize({ width, height: 800 });
      await page.addInitScript(() => localStorage.setItem("switchhook.lang", "nl"));
      await page.goto(mock.url);
      await expect(page.getByRole("heading", { name: "Aanmelden" })).toBeVisible();
      await expectNoSidewaysScroll(page);
      await expectAccessible(page, `sign-in ${theme} ${width}`);
      await shoot(page, `entry-nl-${theme}-${width}`, true);
      await page.goto(`${mock.url}/set-up?token=good`);
      await expect(page.getByRole("heading", { name: "Switchhook instellen" })).toBeVisible();
      await expectNoSidewaysScroll(page);
      await expectAccessible(page, `set-up ${theme} ${width}`);
      await shoot(page, `entry-setup-nl-${theme}-${width}`, true);
    });
  }
}
