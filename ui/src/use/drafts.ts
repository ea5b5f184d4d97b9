// Copies on this device of what the server has not confirmed yet, one for each call and person.

import type { Kept } from "../core/moment";
import { me } from "./session";

const KEEP_MS = 30 * 86_400_000;
const PREFIX = "switchhook.draft.";
const person = (): string => `${me.value?.app.id ?? ""}.${me.value?.user?.id ?? me.value?.agent?.id ?? ""}`;
const keyOf = (id: string): string => `${PREFIX}${person()}.${id}`;

/** False when the browser keeps nothing. */
export function keepDraft(id: string, kept: Kept): boolean {
  try {
    localStorage.setItem(keyOf(id), JSON.stringify(kept));
    return true;
  } catch {
    return false;
  }
}

export function keptDraft(id: string): Kept | null {
  try {
    const found = JSON.parse(localStorage.getItem(keyOf(id)) ?? "null") as Kept | null;
    return found && typeof found.text?.notes === "string" && typeof found.base?.notes === "string" ? found : null;
  } catch {
    return null;
  }
}

export function dropDraft(id: string): void {
  try {
    localStorage.removeItem(keyOf(id));
  } catch {
    // Nothing was kept.
  }
}

/** Copies that nobody came back for. */
export function dropOldDrafts(now: number): void {
  try {
    for (const key of Object.keys(localStorage).filter((k) => k.startsWith(PREFIX))) {
      const at = (JSON.parse(localStorage.getItem(key) ?? "{}") as { at?: number }).at ?? 0;
      if (now - at > KEEP_MS) localStorage.removeItem(key);
    }
  } catch {
    // Storage is switched off, or holds what is not ours.
  }
}
