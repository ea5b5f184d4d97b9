import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vitest/config";

// Where `npm run dev` finds a server: the real one or e2e/mock-server.mjs.
const server = process.env["SWITCHHOOK_URL"] ?? "http://127.0.0.1:4000";

export default defineConfig({
  plugins: [vue()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    // The content security policy allows no data: fonts, so nothing is inlined.
    assetsInlineLimit: 0,
    // One entry and no lazy chunks: the preload helper would be dead weight.
    modulePreload: false,
    target: ["es2022", "chrome111", "firefox113", "safari16.4"],
    reportCompressedSize: true,
  },
  server: {
    proxy: {
      "/api": server,
      "/sign-in": server,
      "/sign-out": server,
      "/ws": { target: server, ws: true },
    },
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
