import { watchEffect } from "vue";
import { stored } from "./stored";

export type Theme = "light" | "dark" | "system";
export const THEMES: readonly Theme[] = ["light", "dark", "system"];

/** Same key as public/theme.js, which sets the theme before the first paint. */
export const theme = stored("switchhook.theme", "system");

watchEffect(() => {
  const root = document.documentElement;
  if (theme.value === "light" || theme.value === "dark") root.dataset["theme"] = theme.value;
  else delete root.dataset["theme"];
});
