// A refusal in words: ours where this page knows the code, else the server's own sentence, which
// ends with the way out.

import type { Refusal } from "../core/api";
import { t, tCode } from "./i18n";

export function refusalText(refusal: Refusal): string {
  const own = tCode("refused", refusal.code, "refused.other");
  if (own !== t("refused.other", { code: refusal.code })) return own;
  return refusal.detail ?? own;
}
