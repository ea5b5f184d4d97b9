// Who is signed in, and what the page shows when nobody is.

import { ref, shallowRef } from "vue";
import { getMe, postSignOut } from "../core/api";
import type { Me } from "../core/types";

export type Session = "loading" | "in" | "out" | "down" | "inactive";
/** Why nobody is signed in: decides the first sentence of the sign-in page. */
export type OutReason = "new" | "expired" | "ended" | "left";

export const session = ref<Session>("loading");
export const me = shallowRef<Me | null>(null);
export const outReason = ref<OutReason>("new");
export const downStatus = ref(0);
/** What a single sign-on that failed said, as a code. */
export const signInError = ref("");

/** Asks the server again. True when signed in. */
export async function checkSession(): Promise<boolean> {
  const answer = await getMe();
  if (answer.ok) {
    me.value = answer.data;
    session.value = "in";
    return true;
  }
  if (answer.status === 401) signedOut(session.value === "in" ? "ended" : outReason.value);
  else if (answer.status === 403) session.value = "inactive";
  else if (session.value !== "in") {
    // While signed in, the link itself tells that the server is away.
    downStatus.value = answer.status;
    session.value = "down";
  }
  return false;
}

export function signedOut(reason: OutReason): void {
  outReason.value = reason;
  session.value = "out";
}

export async function signOut(): Promise<void> {
  if (await postSignOut()) signedOut("left");
  else await checkSession();
}

export function startSession(): void {
  const url = new URL(window.location.href);
  const error = url.searchParams.get("sign_in_error");
  if (url.searchParams.get("link") === "expired" || error) {
    if (error) signInError.value = error;
    else outReason.value = "expired";
    // The address is kept clean, so that a reload after signing in does not show it again.
    url.searchParams.delete("link");
    url.searchParams.delete("sign_in_error");
    window.history.replaceState(null, "", url.pathname + url.search);
  }
  void checkSession();
  // The link is usually opened in another tab: coming back here is the moment to look again.
  const look = (): void => {
    if (document.visibilityState === "visible" && session.value !== "in" && session.value !== "loading") void checkSession();
  };
  document.addEventListener("visibilitychange", look);
  window.addEventListener("focus", look);
}
