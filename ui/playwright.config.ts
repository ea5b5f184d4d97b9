import { defineConfig } from "@playwright/test";

// A zone in which it is between noon and one o'clock now: the stand-in's morning of calls then lies
// in "today" whenever the tests run, which around midnight it would not. Its sign is POSIX's, west
// positive. The stand-in builds its day in the zone of the browser.
const west = new Date().getUTCHours() - 12;
const zone = `Etc/GMT${west < 0 ? "-" : "+"}${Math.abs(west)}`;
process.env["TZ"] = zone;

// Debian's browser; nothing is downloaded. Another one can be named by CHROMIUM.
export default defineConfig({
  testDir: "e2e",
  outputDir: "test-results/runs",
  // Limits for a machine with two busy cores; nothing waits this long on a quiet one.
  timeout: 120_000,
  expect: { timeout: 20_000 },
  workers: 1,
  retries: 0,
  reporter: [["list"]],
  use: {
    baseURL: process.env["SWITCHHOOK_URL"],
    locale: "en-GB",
    timezoneId: zone,
    viewport: { width: 1440, height: 900 },
    launchOptions: {
      executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
      args: [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
