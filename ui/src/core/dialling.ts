// Reads a number while it is typed, so that the person sees what will be dialled. The server reads
// it again with the full plan and decides; this only has to be right about ordinary numbers.

/** Calling code and trunk prefix of the countries whose national form is read here. */
const PLANS: Record<string, { code: string; trunk: string }> = {
  AT: { code: "43", trunk: "0" },
  BE: { code: "32", trunk: "0" },
  CH: { code: "41", trunk: "0" },
  CA: { code: "1", trunk: "1" },
  DE: { code: "49", trunk: "0" },
  DK: { code: "45", trunk: "" },
  ES: { code: "34", trunk: "" },
  FR: { code: "33", trunk: "0" },
  GB: { code: "44", trunk: "0" },
  IE: { code: "353", trunk: "0" },
  IT: { code: "39", trunk: "" },
  LU: { code: "352", trunk: "" },
  NL: { code: "31", trunk: "0" },
  NO: { code: "47", trunk: "" },
  PL: { code: "48", trunk: "" },
  PT: { code: "351", trunk: "" },
  SE: { code: "46", trunk: "0" },
  US: { code: "1", trunk: "1" },
};

/** An extension is short; longer ones than this are read as numbers. */
const MAX_EXTENSION = 6;
/** E.164: at most fifteen digits, and no country has numbers shorter than seven with its code. */
const MIN_E164 = 7;
const MAX_E164 = 15;

export type Reading =
  | { kind: "empty" }
  /** `to` is E.164. */
  | { kind: "number"; to: string }
  /** `to` is dialled inside. */
  | { kind: "extension"; to: string }
  /** Not read here; the server reads it. */
  | { kind: "unread"; to: string }
  | { kind: "refused"; why: "letters" | "short" | "long" };

const DECORATION = /[\s().\-/\u00a0\u2010-\u2015]/g;

export function readNumber(text: string, country: string | null): Reading {
  const typed = text.replace(/^\s*tel:/i, "").replace("(0)", "").replace(DECORATION, "");
  if (typed === "") return { kind: "empty" };
  if (!/^\+?[0-9*#]+$/.test(typed)) return { kind: "refused", why: "letters" };
  if (typed.startsWith("+") || typed.startsWith("00")) return international(typed.replace(/^(\+|00)/, ""));
  if (/[*#]/.test(typed)) return { kind: "unread", to: typed };
  const plan = country === null ? undefined : PLANS[country.toUpperCase()];
  if (typed.length <= MAX_EXTENSION && !(plan?.trunk && plan.trunk === "0" && typed.startsWith("0"))) {
    return { kind: "extension", to: typed };
  }
  if (!plan) return typed.length > MAX_E164 ? { kind: "refused", why: "long" } : { kind: "unread", to: typed };
  if (plan.code === "1") return international(typed.length === 10 ? `1${typed}` : typed);
  if (plan.trunk === "") return international(plan.code + typed);
  if (typed.startsWith(plan.trunk)) return international(plan.code + typed.slice(plan.trunk.length));
  return { kind: "unread", to: typed };
}

function international(digits: string): Reading {
  if (/\D/.test(digits)) return { kind: "refused", why: "letters" };
  if (digits.length < MIN_E164) return { kind: "refused", why: "short" };
  if (digits.length > MAX_E164) return { kind: "refused", why: "long" };
  return { kind: "number", to: `+${digits}` };
}

/** What can be sent as it stands; null for what would be refused anyway. */
export const dialTarget = (reading: Reading): string | null => ("to" in reading ? reading.to : null);

/** “+31 6 12345678”: the code apart where it is known, the rest in one piece. */
export function spaced(e164: string): string {
  const codes = [...new Set(Object.values(PLANS).map((plan) => plan.code))].sort((a, b) => b.length - a.length);
  const code = codes.find((c) => e164.startsWith(`+${c}`));
  if (!code) return e164;
  const rest = e164.slice(code.length + 1);
  const mobile = code === "31" && rest.startsWith("6") ? 1 : code === "31" ? 2 : 0;
  return mobile > 0 && rest.length > mobile ? `+${code} ${rest.slice(0, mobile)} ${rest.slice(mobile)}` : `+${code} ${rest}`;
}
