// The keys of this view. Single letters work only outside fields and can be switched off.

import { computed, onBeforeUnmount, onMounted } from "vue";
import { stored } from "./stored";

const setting = stored("switchhook.single_keys", "on");
/** Off for people who dictate: WCAG 2.1.4. */
export const singleKeys = computed<boolean>({
  get: () => setting.value === "on",
  set: (on) => {
    setting.value = on ? "on" : "off";
  },
});

const inField = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest("input:not([type=radio],[type=checkbox]), textarea, select, [contenteditable]") !== null;

export function useKeys(keys: Record<string, () => boolean | void>): void {
  const onKey = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const run = keys[key];
    if (!run) return;
    if (event.key.length === 1 && (!singleKeys.value || inField(event.target) || event.repeat)) return;
    // An open sheet or menu has its own Esc.
    if (document.querySelector("dialog[open], :popover-open")) return;
    if (run() !== false) event.preventDefault();
  };
  onMounted(() => document.addEventListener("keydown", onKey));
  onBeforeUnmount(() => document.removeEventListener("keydown", onKey));
}
