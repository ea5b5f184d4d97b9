import { ref, watch, type Ref } from "vue";

/** A setting kept in this browser. Works without storage too; then it lasts until the page closes. */
export function stored(key: string, otherwise: string): Ref<string> {
  let start = otherwise;
  try {
    start = localStorage.getItem(key) ?? otherwise;
  } catch {
    // Storage is switched off.
  }
  const value = ref(start);
  watch(value, (next) => {
    try {
      localStorage.setItem(key, next);
    } catch {
      // As above.
    }
  });
  return value;
}
