// What every view reads: the state, the clock tick and what follows from them.

import { computed, ref, shallowRef } from "vue";
import { isStale, linkView, type LinkStatus } from "../core/link";
import { noMiddle, shownId, type Middle } from "../core/middle";
import { dockCalls, emptyState, finishedCalls, type State } from "../core/state";
import type { Call, FailedDial } from "../core/types";

export const state = shallowRef<State>(emptyState());
export const middle = shallowRef<Middle>(noMiddle);
export const link = shallowRef<LinkStatus>({ phase: "connecting", lostAt: null, attempt: 0, stopped: null });
/** Server time, once a second, shared by every timer. */
export const now = ref(Date.now());
/** This device's time on the same tick: the link counts in it. */
export const local = ref(Date.now());
/** The list next to, or instead of, the middle. */
export const listTab = ref<"today" | "missed">("today");
/** Below three columns: the middle, the caller beside a form, or the list. */
export const narrowTab = ref<"caller" | "about" | "list">("list");
/** Beside a form: the caller, or the list. */
export const sideTab = ref<"about" | "list">("about");
/** Where the person is; a caller who pops is shown over it and gives it back. */
export const place = ref<"console" | "tasks">("console");
export const placeShown = computed(() => (middle.value.popped ? "console" : place.value));
/** Ended calls that keep their card: somebody still writes, or has just completed. */
export const wrapping = shallowRef<ReadonlySet<string>>(new Set());
/** The first snapshot is in. */
export const loaded = ref(false);

/** A call of an earlier day that was opened: it belongs to no list of today. */
export const opened = shallowRef<Call | null>(null);

export const dock = computed(() => dockCalls(state.value, wrapping.value));
export const ringing = computed(() => dock.value.filter((c) => c.status === "ringing"));
export const finished = computed(() => finishedCalls(state.value).filter((c) => !(c.id in state.value.leaving)));
export const shown = computed<Call | null>(() => {
  const id = shownId(middle.value);
  if (!id) return null;
  return state.value.calls[id] ?? (opened.value?.id === id ? opened.value : null);
});

export const view = computed(() => linkView(link.value, local.value));
export const stale = computed(() => isStale(link.value, local.value));
export const lostFor = computed(() =>
  link.value.lostAt === null ? 0 : Math.max(0, Math.round((local.value - link.value.lostAt) / 1000)),
);
/** While the link is lost nothing is known: timers stand still at the last known moment. */
export const timerNow = computed(() =>
  stale.value && link.value.lostAt !== null ? link.value.lostAt + (now.value - local.value) : now.value,
);

/** The last call that was asked for, by whomever, and came to nothing. */
export const lastDialFailure = shallowRef<FailedDial | null>(null);
