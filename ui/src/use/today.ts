// The list of today: pages of GET /api/calls, kept fresh by the socket through the store.

import { computed, ref, shallowRef } from "vue";
import { getCalls } from "../core/api";
import { startOfDay } from "../core/clock";
import { cameBy, mergeRows } from "../core/state";
import { finished, state } from "./store";
import { QUIET_MS } from "../core/link";

const PAGE = "50";

export const todayState = ref<"loading" | "ready" | "failed">("loading");
const cursor = ref<string | null>(null);
/** Rows the server has beyond the ones that were loaded. */
const beyond = ref({ today: 0, missed: 0 });
let generation = 0;

export const missed = computed(() => finished.value.filter((c) => c.status === "missed"));
export const todayCount = computed(() => finished.value.length + beyond.value.today);
export const missedCount = computed(() => missed.value.length + beyond.value.missed);
export const hasMore = computed(() => cursor.value !== null);

export interface Back {
  seconds: number;
  total: number;
  answered: number;
  missed: number;
}
/** Set for six seconds after a loss that was long enough to be noticed. */
export const backAgain = shallowRef<Back | null>(null);
const BACK_MS = 6_000;

export function restartToday(): void {
  todayState.value = "loading";
  cursor.value = null;
  beyond.value = { today: 0, missed: 0 };
  backAgain.value = null;
  generation += 1;
}

export async function loadToday(): Promise<void> {
  const mine = ++generation;
  const since = new Date(startOfDay(Date.now())).toISOString();
  const [all, lost] = await Promise.all([
    getCalls({ since, limit: PAGE }),
    getCalls({ since, limit: PAGE, status: "missed" }),
  ]);
  if (mine !== generation) return;
  if (!all.ok) {
    if (todayState.value === "loading") todayState.value = "failed";
    return;
  }
  state.value = mergeRows(state.value, all.data);
  if (lost.ok) state.value = mergeRows(state.value, lost.data);
  cursor.value = all.cursor;
  beyond.value = {
    today: Math.max(0, all.total - all.data.length - extra(all.data, lost.ok ? lost.data : [])),
    missed: lost.ok ? Math.max(0, lost.total - lost.data.length) : 0,
  };
  todayState.value = "ready";
}

const extra = (a: readonly { id: string }[], b: readonly { id: string }[]): number => {
  const ids = new Set(a.map((c) => c.id));
  return b.filter((c) => !ids.has(c.id)).length;
};

export async function loadMore(): Promise<void> {
  if (!cursor.value) return;
  const mine = generation;
  const since = new Date(startOfDay(Date.now())).toISOString();
  const answer = await getCalls({ since, limit: PAGE, cursor: cursor.value });
  if (mine !== generation || !answer.ok) return;
  const before = finished.value.length;
  state.value = mergeRows(state.value, answer.data);
  cursor.value = answer.cursor;
  beyond.value = {
    ...beyond.value,
    today: answer.cursor ? Math.max(0, beyond.value.today - (finished.value.length - before)) : 0,
  };
}

/** Called when the link has become live: first load, or what came by meanwhile. */
export function onReconnected(lostAt: number | null, at: number): void {
  void loadToday().then(() => {
    if (lostAt === null || at - lostAt < QUIET_MS) return;
    backAgain.value = { seconds: Math.max(1, Math.round((at - lostAt) / 1000)), ...cameBy(state.value, lostAt) };
    const shownNow = backAgain.value;
    window.setTimeout(() => {
      if (backAgain.value === shownNow) backAgain.value = null;
    }, BACK_MS);
  });
}
