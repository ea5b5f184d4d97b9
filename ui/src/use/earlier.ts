// Earlier calls from the number that is shown: one request per number, kept for a while.

import { ref, shallowRef, watch, type Ref } from "vue";
import { getCalls } from "../core/api";
import { farParty } from "../core/format";
import { isLive } from "../core/state";
import type { Call } from "../core/types";

const SHOWN = 6;
const KEEP_MS = 60_000;
const kept = new Map<string, { at: number; calls: Call[] }>();

export type EarlierState = "none" | "loading" | "ready" | "failed";

export function useEarlier(call: Ref<Call>): { rows: Ref<Call[]>; status: Ref<EarlierState>; retry: () => void } {
  const rows = shallowRef<Call[]>([]);
  const status = ref<EarlierState>("none");
  let turn = 0;

  async function load(number: string | null): Promise<void> {
    const mine = ++turn;
    rows.value = [];
    if (!number) {
      status.value = "none";
      return;
    }
    status.value = "loading";
    const had = kept.get(number);
    let calls = had && Date.now() - had.at < KEEP_MS ? had.calls : null;
    if (!calls) {
      const answer = await getCalls({ from: number, limit: String(SHOWN + 4) });
      if (mine !== turn) return;
      if (!answer.ok) {
        status.value = "failed";
        return;
      }
      calls = answer.data;
      kept.set(number, { at: Date.now(), calls });
    }
    const own = call.value;
    const began = own.started_at ?? own.created_at ?? "";
    rows.value = calls.filter((c) => c.id !== own.id && !isLive(c) && (c.started_at ?? "") <= began).slice(0, SHOWN);
    status.value = "ready";
  }

  // Only callers: for an outbound call the question would be another one.
  const key = (): string | null =>
    call.value.direction === "outbound" || farParty(call.value)?.kind === "withheld" ? null : call.value.from_number;
  watch(() => [call.value.id, key()] as const, ([, number]) => void load(number), { immediate: true });
  return { rows, status, retry: () => void load(key()) };
}
