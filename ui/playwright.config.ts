import { defineConfig } from "@playwright/test";

// Debian's browser; nothing is downloaded. Another one can be named by CHROMIUM.
export default defineConfig({
  testDir: "e2e",
  outputDir: "test-results/runs",
  timeout: 60_000,
  expect: { timeout: 8_000 },
  workers: 1,
  retries: 0,
  reporter: [["list"]],
  use: {
    baseURL: process.env["SWITCHHOOK_URL"],
    locale: "en-GB",
    timezoneId: "Europe/Amsterdam",
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
