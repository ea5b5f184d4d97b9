// What is said aloud about calls: once per call, and never for timers.

import { caller } from "../core/format";
import { POP_MAX_AGE_MS } from "../core/middle";
import { rangAt } from "../core/state";
import type { Call } from "../core/types";
import { say, sayNow } from "./announce";
import { state } from "./store";
import { t, whoText } from "./i18n";
import { agentWho } from "../core/format";

/** The pop with the name follows the ring closely; the name is worth this wait. */
const NAME_WAIT_MS = 500;
const said = new Set<string>();

/** The name as it is spoken and as it stands on the card. */
export function nameOf(call: Call): string {
  const who = caller(call);
  if (who.name) return who.name;
  if (who.known === "withheld") return t("caller.withheld");
  return who.number ?? t("caller.unknown");
}

function ringingText(call: Call): string {
  const who = nameOf(call);
  return call.queue ? t("say.ringing", { who, queue: call.queue }) : t("say.ringing_plain", { who });
}

export function announceRinging(id: string, at: number): void {
  const call = state.value.calls[id];
  if (!call || said.has(id) || call.status !== "ringing" || at - rangAt(call) > POP_MAX_AGE_MS) return;
  said.add(id);
  sayNow(ringingText(call));
}

export function announceChange(before: Call | null, call: Call, at: number): void {
  if (call.status === "ringing" && before?.status !== "ringing") {
    window.setTimeout(() => announceRinging(call.id, at), NAME_WAIT_MS);
    return;
  }
  if (!before || before.status === call.status) return;
  const name = nameOf(call);
  if (call.status === "active" && before.status === "ringing") {
    const who = agentWho(call);
    say(who ? t("say.answered", { name, who: whoText(who, true) }) : t("say.answered_plain", { name }));
  } else if (call.status === "held") say(t("say.held", { name }));
  else if (call.status === "missed") say(t("say.missed", { name }));
  else if (call.status !== "active") say(t("say.ended", { name }));
}

export function announceLink(lost: boolean, back: boolean): void {
  if (lost) sayNow(t("say.offline"));
  else if (back) say(t("say.back"));
}
