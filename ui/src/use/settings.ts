// What the app has set for the work after a call, and who the person is. Null settings: a server
// that knows no contact moments, or a person who may not see them; the page then goes without.

import { computed, shallowRef } from "vue";
import { outcomesOf } from "../core/moment";
import type { WorkSettings } from "../core/types";
import { ownExtension } from "./own";
import { me } from "./session";

export const workSettings = shallowRef<WorkSettings | null>(null);
export const outcomes = computed(() => outcomesOf(workSettings.value));
export const ownAgent = computed(() => me.value?.agent ?? null);
/** People who may only read see what was said and have no form. */
export const mayWrite = computed(() => {
  const scopes = me.value?.scopes;
  return !scopes || scopes.includes("all") || scopes.includes("moments:write");
});
export const own = computed(() => ({ agent: ownAgent.value?.id ?? null, extension: ownExtension.value.trim() }));
