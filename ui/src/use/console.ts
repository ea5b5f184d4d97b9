// The console at work: the socket feeds the store, people move through it.

import { startOfDay } from "../core/clock";
import { Link, type LinkStatus, type SocketLike } from "../core/link";
import { back, choose, nextRinging, noMiddle, pop, settle, shownId } from "../core/middle";
import { apply, emptyState, isLive, prune, type State } from "../core/state";
import type { Call, EventFrame, Frame } from "../core/types";
import { announceChange, announceRinging } from "./say";
import { findPops } from "./pops";
import { checkSession, signedOut, session } from "./session";
import { lastDialFailure, link, loaded, local, middle, narrowTab, now, opened, place, ringing, shown, state } from "./store";
import { onReconnected, restartToday } from "./today";
import { isWriting } from "./moments";
import { taskCame } from "./tasks";
import { startWork, stopWork, tickWork, workSettings } from "./work";

const theLink = new Link(
  {
    open: (query) => openSocket(query),
    now: () => Date.now(),
    after: (ms, run) => {
      const id = window.setTimeout(run, ms);
      return () => window.clearTimeout(id);
    },
    random: Math.random,
  },
  {
    position: () => (state.value.epoch && !state.value.awaitingSnapshot ? { seq: state.value.seq, epoch: state.value.epoch } : null),
    frame: receive,
    status: setStatus,
    refused: () => void checkSession(),
  },
);

function openSocket(query: string): SocketLike {
  const scheme = window.location.protocol === "https:" ? "wss" : "ws";
  return new WebSocket(`${scheme}://${window.location.host}/ws${query}`) as SocketLike;
}

export const serverNow = (): number => theLink.clock.toServer(Date.now());

// ---- frames ---------------------------------------------------------------------

function receive(frame: Frame): "applied" | "dropped" | "gap" {
  const before = state.value;
  const at = serverNow();
  const [next, outcome] = apply(before, frame, at);
  if (outcome !== "applied") return outcome;
  state.value = next;
  if (frame.type === "snapshot") {
    loaded.value = true;
    for (const call of frame.calls) if (call.direction !== "outbound") ring(call, at);
    void findPops(state);
  }
  if (frame.type === "event") fromEvent(frame, before, at);
  // An ended call is in wrap-up at once, not with the next second.
  tickWork();
  settleMiddle();
  return outcome;
}

function fromEvent(frame: EventFrame, before: State, at: number): void {
  if (frame.event === "dial.failed" && frame.data.dial) lastDialFailure.value = frame.data.dial;
  if (frame.data.task) taskCame(frame.data.task, frame.event === "task.created");
  const call = frame.call_id ? state.value.calls[frame.call_id] : frame.data.call;
  if (!call) return;
  if (frame.event === "screen_pop.opened") ring(call, at);
  else announceChange(before.calls[call.id] ?? null, call, at);
}

function ring(call: Call, at: number): void {
  announceRinging(call.id, at);
  const settings = workSettings.value;
  if (settings && !settings.screen_pop_enabled) return;
  // The wish to wait is for the caller in the middle; the card is there at once.
  if (settings && settings.screen_pop_delay_ms > 0) window.setTimeout(() => popNow(call.id), settings.screen_pop_delay_ms);
  else popNow(call.id);
}

function popNow(id: string): void {
  const call = state.value.calls[id];
  if (!call) return;
  const at = serverNow();
  const next = pop(middle.value, call, { shown: shown.value, focusInside: focusInWork() || isWriting.value }, at);
  if (next === middle.value) return;
  middle.value = next;
  narrowTab.value = "caller";
}

function focusInWork(): boolean {
  const work = document.getElementById("work");
  const active = document.activeElement;
  return Boolean(work && active && active !== work && work.contains(active));
}

function settleMiddle(): void {
  const id = middle.value.popped;
  if (!id) return;
  const call = state.value.calls[id] ?? null;
  const inDock = Boolean(call && (isLive(call) || id in state.value.leaving));
  const next = settle(middle.value, call, inDock);
  // Who has been answered is work: the view that lay under the pop does not come back over it.
  if (call?.answered_at) place.value = "console";
  if (next === middle.value) return;
  middle.value = next;
  if (next.chosen === null) narrowTab.value = "list";
}

// ---- what the person does ---------------------------------------------------------

export function showCall(id: string, call: Call | null = null): void {
  opened.value = call;
  middle.value = choose(id);
  place.value = "console";
  narrowTab.value = "caller";
}

export function showNextRinging(): void {
  const next = nextRinging(ringing.value, shownId(middle.value));
  if (next) showCall(next.id);
}

/** True when there was a step to go back. */
export function stepBack(): boolean {
  if (!shownId(middle.value)) return false;
  middle.value = back(middle.value);
  if (!shownId(middle.value)) narrowTab.value = "list";
  return true;
}

export const retryLink = (): void => theLink.poke();

// ---- life ---------------------------------------------------------------------------

function setStatus(status: LinkStatus): void {
  const before = link.value;
  link.value = status;
  local.value = Date.now();
  if (status.stopped === "signed-out") signedOut("ended");
  if (status.stopped === "inactive") session.value = "inactive";
  if (status.phase === "live" && before.phase !== "live") {
    now.value = serverNow();
    void startWork();
    onReconnected(before.lostAt === null ? null : theLink.clock.toServer(before.lostAt), serverNow());
  }
}

let ticking = 0;

function tick(): void {
  local.value = Date.now();
  now.value = serverNow();
  tickWork();
  const next = prune(state.value, now.value, startOfDay(Date.now()));
  if (next !== state.value) {
    state.value = next;
    settleMiddle();
  }
  // Aligned to the whole second, so that every timer turns at once.
  ticking = window.setTimeout(tick, 1000 - (serverNow() % 1000) + 5);
}

const wake = (): void => {
  if (document.visibilityState === "visible") theLink.poke();
};

export function startConsole(): void {
  restartToday();
  tick();
  theLink.start();
  document.addEventListener("visibilitychange", wake);
  window.addEventListener("online", wake);
}

export function stopConsole(): void {
  window.clearTimeout(ticking);
  theLink.stop(link.value.stopped ?? "closed");
  document.removeEventListener("visibilitychange", wake);
  window.removeEventListener("online", wake);
  // Nothing of this app stays in memory for whoever signs in next.
  state.value = emptyState();
  middle.value = noMiddle;
  opened.value = null;
  loaded.value = false;
  place.value = "console";
  stopWork();
  lastDialFailure.value = null;
}

/** The middle is empty again: what stood there is done. */
export function closeShown(): void {
  middle.value = noMiddle;
  narrowTab.value = "list";
}
