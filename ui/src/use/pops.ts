// A page that was loaded while a shared number rings has missed the pop with its
// candidates: the snapshot carries calls only. They are looked up in the event log.

import type { ShallowRef } from "vue";
import { getEvents } from "../core/api";
import { isLive, type State } from "../core/state";

const LOOK_BACK = 400;

export async function findPops(state: ShallowRef<State>): Promise<void> {
  const unknown = Object.values(state.value.calls).some(
    (c) => isLive(c) && (c.contact?.total ?? 0) > 1 && !(c.id in state.value.pops),
  );
  if (!unknown) return;
  const answer = await getEvents(Math.max(0, state.value.seq - LOOK_BACK), LOOK_BACK);
  if (!answer.ok) return; // The card and the best match are there; only the others are missing.
  const pops = { ...state.value.pops };
  for (const event of answer.data) {
    const id = event.call_id;
    if (event.event !== "screen_pop.opened" || !id || id in pops || !(id in state.value.calls)) continue;
    const matches = event.data.matches ?? [];
    pops[id] = { action: event.data.action ?? "navigate", matches, total: event.data.total ?? matches.length };
  }
  state.value = { ...state.value, pops };
}
