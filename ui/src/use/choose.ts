// Who the caller is, when a person says so.

import { reactive, ref } from "vue";
import { putContact } from "../core/api";
import { cleanName } from "../core/format";
import type { Call, ContactMatch } from "../core/types";
import { say } from "./announce";
import { t } from "./i18n";
import { takeItem } from "./moments";
import { refusalText } from "./refusals";
import { state } from "./store";

/** The number of the candidate whose choice is under way, by call. */
export const choosing = reactive<Record<string, string>>({});
export const chooseFault = reactive<Record<string, string>>({});
/** Kept until the page closes: most people keep to one way. */
export const remember = ref(true);

/** Somebody has said who it is: the question is not asked again. */
export function chose(id: string): void {
  state.value = { ...state.value, chosen: { ...state.value.chosen, [id]: true } };
}

export async function chooseContact(call: Call, match: ContactMatch | null): Promise<void> {
  if (choosing[call.id]) return;
  choosing[call.id] = match?.id ?? "none";
  delete chooseFault[call.id];
  const answer = await putContact(call.id, { contact_id: match?.id ?? null, ...(match ? { remember: remember.value } : {}) });
  delete choosing[call.id];
  if (!answer.ok) {
    chooseFault[call.id] = refusalText(answer);
    say(chooseFault[call.id] ?? "");
    return;
  }
  if (answer.data.call) takeItem(answer.data);
  chose(call.id);
  say(match ? t("chooser.said", { name: cleanName(match.name) ?? "" }) : t("chooser.said_none"));
}
