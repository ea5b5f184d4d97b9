import { computed } from "vue";
import { nextRinging, shownId } from "../core/middle";
import { middle, ringing } from "./store";

/** The card whose “Show” the S key presses; only that one prints the key. */
export const nextRingingId = computed(() => nextRinging(ringing.value, shownId(middle.value))?.id ?? null);
