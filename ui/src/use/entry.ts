// What the forms that let people in have in common.

import { shallowRef } from "vue";
import { entryOf, type Entry } from "../core/entry";
import type { Refusal } from "../core/api";
import { t, tCode } from "./i18n";
import { checkSession } from "./session";

export const entry = shallowRef<Entry>(entryOf(window.location.pathname, window.location.search));

/** Signed in: the used link leaves the address, and the console takes over. */
export async function enterConsole(): Promise<void> {
  window.history.replaceState(null, "", "/");
  entry.value = { view: "console" };
  await checkSession();
}

/** What the server says of one field, for somebody who sees its label and not its name. */
export const fieldFault = (refusal: Refusal): string => (refusal.detail ?? "").replace(/^Field `[^`]*` /, "This ");

/** One sentence for a refusal, in the reader's language where the code is known. */
export function entryFault(refusal: Refusal): string {
  const known = tCode("entry", refusal.code, "entry.failed");
  return known === t("entry.failed", { code: refusal.code }) && refusal.detail ? refusal.detail : known;
}
