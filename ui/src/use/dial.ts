// Placing calls: what was typed, from whom, over which connection, and how far it is.

import { computed, nextTick, ref, shallowRef, watch } from "vue";
import { getConnections, postDial, type Refusal } from "../core/api";
import { dialTarget, readNumber } from "../core/dialling";
import type { ConnectionRow } from "../core/types";
import { say, sayNow } from "./announce";
import { showCall } from "./console";
import { t } from "./i18n";
import { refusalText } from "./refusals";
import { ownExtension } from "./own";
import { me } from "./session";
import { lastDialFailure, state } from "./store";
import { stored } from "./stored";

const lastConnection = stored("switchhook.dial_connection", "");

export const number = ref("");
export const reading = computed(() => readNumber(number.value, me.value?.app.country ?? null));
const all = shallowRef<ConnectionRow[] | null>(null);
/** The connections that place calls. */
export const connections = computed(() => (all.value ?? []).filter((c) => c.places_calls));
/** Why no call can be placed at all; null when one can, or while that is not known. */
export const whyNoDial = computed<string[] | null>(() => {
  if (all.value === null || connections.value.length > 0) return null;
  return [...new Set(all.value.flatMap((c) => c.why_not ?? []))];
});
export const connection = computed<string>({
  get: () => (connections.value.some((c) => c.id === lastConnection.value) ? lastConnection.value : (connections.value[0]?.id ?? "")),
  set: (id) => {
    lastConnection.value = id;
  },
});

export type Progress =
  | { step: "idle" }
  | { step: "asking"; to: string }
  /** The server took it; the platform has not spoken of it yet. */
  | { step: "placed"; to: string; call: string | null }
  | { step: "refused"; to: string; refusal: Refusal };
export const progress = shallowRef<Progress>({ step: "idle" });
export const isAsking = computed(() => progress.value.step === "asking");

export async function loadConnections(): Promise<void> {
  const answer = await getConnections();
  // Without the list the server chooses; it says so when it cannot.
  if (answer.ok) all.value = answer.data;
}

/** The number and the key of the attempt that had no answer: trying again is the same attempt. */
let open: { request: string; key: string } | null = null;

/** Not `randomUUID`, which a page served over plain http does not have. */
const freshKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export async function dial(): Promise<void> {
  const to = dialTarget(reading.value);
  const extension = ownExtension.value.trim();
  if (isAsking.value || to === null || extension === "") return;
  const request = { to, extension, ...(connections.value.length > 1 && connection.value ? { connection_id: connection.value } : {}) };
  const same = JSON.stringify(request);
  const key = open?.request === same ? open.key : freshKey();
  open = { request: same, key };
  progress.value = { step: "asking", to };
  const answer = await postDial(request, key);
  if (!answer.ok) {
    if (answer.code !== "unreachable") open = null;
    refuse(to, answer);
    return;
  }
  open = null;
  progress.value = { step: "placed", to, call: answer.data?.call_id ?? null };
  number.value = "";
  say(t("dial.pick_up"));
  follow();
}

/** What was accepted becomes a card, or comes to nothing; either may be told before the answer. */
function follow(): void {
  const at = progress.value;
  if (at.step !== "placed" || at.call === null) return;
  const failed = lastDialFailure.value;
  if (failed?.call_id === at.call) {
    refuse(at.to, { code: `dial_${failed.cause}`, detail: failed.detail });
  } else if (state.value.calls[at.call]) {
    showCall(at.call);
    progress.value = { step: "idle" };
    following = at.call;
  }
}
/** The call that this page asked for last and that has its card. */
let following: string | null = null;

watch([lastDialFailure, state], ([failed], [before]) => {
  follow();
  if (failed && failed !== before && failed.call_id === following) {
    refuse(failed.target ?? "", { code: `dial_${failed.cause}`, detail: failed.detail });
  }
});

function refuse(to: string, refusal: Refusal): void {
  progress.value = { step: "refused", to, refusal };
  sayNow(`${t("dial.refused")} ${refusalText(refusal)}`);
}

/** A number on the page was pressed: fills the field, and calls when nothing is missing. */
export async function dialNumber(to: string, over: string | null = null): Promise<void> {
  if (isAsking.value) return;
  number.value = to;
  if (over && connections.value.some((c) => c.id === over)) connection.value = over;
  if (ownExtension.value.trim() !== "") return dial();
  await nextTick();
  document.getElementById("dial-extension")?.focus();
}

export function closeProgress(): void {
  progress.value = { step: "idle" };
}
