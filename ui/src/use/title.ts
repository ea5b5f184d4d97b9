import { onBeforeUnmount, watchEffect } from "vue";
import { duration, elapsed } from "../core/clock";
import { runningSince } from "../core/durations";
import { ms } from "../core/state";
import { t } from "./i18n";
import { nameOf } from "./say";
import { me } from "./session";
import { ringing, shown, timerNow } from "./store";

/** “● 0:07 Mevrouw Jansen” while it rings, “4:12 Mevrouw Jansen” on a call. */
export function usePageTitle(): void {
  const stop = watchEffect(() => {
    const ring = ringing.value[0];
    const call = ring ?? shown.value;
    const since = call ? runningSince(call) : null;
    if (call && since) {
      const time = duration(elapsed(ms(since), timerNow.value));
      document.title = `${ring ? "● " : ""}${time} ${nameOf(call)}`;
    } else {
      document.title = `${t("nav.console")} · ${me.value?.app.name ?? "Switchhook"}`;
    }
  });
  onBeforeUnmount(stop);
}
