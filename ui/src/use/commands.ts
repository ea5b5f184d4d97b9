// What can be done to the calls on the page, and doing it. One answer of the server for each call
// and state of it; a command that was taken is followed by the platform's own event.

import { ref, shallowRef } from "vue";
import { getActions, postAction, type Refusal } from "../core/api";
import { isLive } from "../core/state";
import { keyCall, nothingDone, toolsOf, wanted, type Done, type Tool, type ToolState } from "../core/tools";
import type { ActionState, Call } from "../core/types";
import { say } from "./announce";
import { refusalText } from "./refusals";
import { t, tCode } from "./i18n";
import { ownExtension } from "./own";
import { dock, shown, stale } from "./store";

interface Known {
  /** The state of the call this was asked for. */
  about: string;
  actions: ActionState[];
}

const known = shallowRef<Readonly<Record<string, Known>>>({});
const done = shallowRef<Readonly<Record<string, Done>>>({});
/** The command that is under way, by call. */
export const busy = shallowRef<Readonly<Record<string, string>>>({});
export interface Failure extends Refusal {
  action: string;
}
/** Why the last command did not work, by call, until it is closed or another one is given. */
export const failures = shallowRef<Readonly<Record<string, Failure>>>({});
/** The call whose notes take the focus when their form opens. */
export const answeredByKey = ref<string | null>(null);
/** The card whose transfer was asked for by key. */
export const transferAsked = ref<string | null>(null);

const about = (call: Call): string => `${call.status} ${call.agent?.extension ?? ""} ${call.legs.length} ${call.transfers.length}`;

export const actionsOf = (call: Call): readonly ActionState[] => known.value[call.id]?.actions ?? [];
export const doneTo = (call: Call): Done => done.value[call.id] ?? nothingDone;
export const toolsFor = (call: Call): ToolState[] => toolsOf(call, actionsOf(call), doneTo(call));

function set<T>(record: { value: Readonly<Record<string, T>> }, id: string, value: T | null): void {
  const next = { ...record.value };
  if (value === null) delete next[id];
  else next[id] = value;
  record.value = next;
}

const asking = new Set<string>();

/** Asks what can be done, once for each state of the call. */
export async function learn(call: Call, anew = false): Promise<void> {
  if (!isLive(call)) return forget(call.id);
  const now = about(call);
  const ask = `${call.id} ${now}`;
  if (asking.has(ask) || (!anew && known.value[call.id]?.about === now)) return;
  asking.add(ask);
  const answer = await getActions(call.id, ownExtension.value.trim());
  asking.delete(ask);
  // Without an answer the controls stay as they were: the command itself says what is wrong.
  if (answer.ok) set(known, call.id, { about: now, actions: answer.data });
}

function forget(id: string): void {
  if (!(id in known.value) && !(id in failures.value) && !(id in done.value)) return;
  set(known, id, null);
  set(done, id, null);
  set(failures, id, null);
}

export function closeFailure(id: string): void {
  set(failures, id, null);
}

/** Gives a command. True when the platform took it. */
export async function command(call: Call, action: string, body: object = {}): Promise<boolean> {
  if (busy.value[call.id]) return false;
  set(busy, call.id, action);
  set(failures, call.id, null);
  const extension = ownExtension.value.trim();
  const answer = await postAction(call.id, action, extension ? { ...body, agent: { extension } } : body);
  set(busy, call.id, null);
  if (!answer.ok) {
    const failure = { action, code: answer.code, detail: answer.detail };
    set(failures, call.id, failure);
    say(`${t("tool.failed", { what: tCode("tool", action, "tool.other") })} ${refusalText(failure)}`);
    void learn(call, true);
    return false;
  }
  const before = doneTo(call);
  if (action === "mute" || action === "unmute") set(done, call.id, { ...before, muted: action === "mute" });
  if (action === "recording") set(done, call.id, { ...before, paused: !(body as { on: boolean }).on });
  return true;
}

// ---- keys --------------------------------------------------------------------------

/** Null while the server has not yet said what can be done to the call. */
const can = (tool: Tool) => (call: Call): boolean | null =>
  call.id in known.value ? toolsFor(call).some((t) => t.tool === tool && t.possible) : wanted(call, doneTo(call)).includes(tool) ? null : false;

/** Does the first of these that fits a call; false when there is none. */
export function byKey(...tools: Tool[]): boolean {
  if (stale.value) return false;
  for (const tool of tools) {
    const call = keyCall(tool, shown.value, dock.value, can(tool));
    if (!call) continue;
    if (tool === "transfer") transferAsked.value = call.id;
    else void command(call, tool);
    // Whoever answers by key is about to write; whoever answers by mouse keeps the focus they have.
    if (tool === "answer") answeredByKey.value = call.id;
    return true;
  }
  return false;
}

// ---- a card that has just moved ------------------------------------------------------

/** Clicks on what cannot be taken back are not taken for this long after cards have moved. */
const SETTLE_MS = 400;
let moved = 0;
export function cardsMoved(): void {
  moved = performance.now();
}
/** True for a press that was meant for what stood there before. Keys are never stray. */
export const isStray = (event: MouseEvent): boolean => event.detail > 0 && performance.now() - moved < SETTLE_MS;
