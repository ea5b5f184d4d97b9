// Where the focus goes when a contact moment is done or put off: the next ringing or unfinished
// call, else the dial field. Nothing else takes the focus away from somebody.

import { nextTick } from "vue";
import { closeShown } from "./console";
import { toComplete } from "./moments";
import { ringing } from "./store";

export function afterCompleting(id: string): void {
  closeShown();
  void nextTick(() => {
    const ring = ringing.value[0];
    const open = toComplete.value.find((call) => call.id !== id);
    const next = ring
      ? document.querySelector<HTMLElement>(`#calls [aria-labelledby="who-${CSS.escape(ring.id)}"] button`)
      : open
        ? document.querySelector<HTMLElement>(`[data-todo="${CSS.escape(open.id)}"] button`)
        : null;
    (next ?? document.getElementById("dial-number") ?? document.getElementById("calls"))?.focus();
  });
}
