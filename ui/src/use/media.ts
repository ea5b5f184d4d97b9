import { ref, type Ref } from "vue";

function media(query: string): Readonly<Ref<boolean>> {
  const list = window.matchMedia(query);
  const value = ref(list.matches);
  list.addEventListener("change", (event) => {
    value.value = event.matches;
  });
  return value;
}

/** Three columns. */
export const isWide = media("(min-width: 80rem)");
/** At least the dock beside the middle. */
export const isMedium = media("(min-width: 48rem)");
