// From a call to the words for it. No language here: what needs a word returns a code.

import type { Call, Leg, Party } from "./types";

export type Known = "contact" | "network" | "unknown" | "withheld";

export interface Caller {
  known: Known;
  /** Null when there is no name; the view then says “Unknown caller” or “Number withheld”. */
  name: string | null;
  organisation: string | null;
  number: string | null;
  /** As the platform sent it: on the tooltip. */
  raw: string | null;
}

// Control and direction-override characters have no place in a name: they would let a
// caller turn the sentence around it. Joiners (U+200C, U+200D) stay, emoji need them.
// eslint-disable-next-line no-control-regex
const HARMFUL = /[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

export function cleanName(name: string | null | undefined): string | null {
  const clean = (name ?? "").replace(HARMFUL, " ").replace(/\s+/g, " ").trim();
  return clean === "" ? null : clean;
}

/** The party at the far end: whom an outbound call was placed to, else who called. */
export const farParty = (call: Call): Party | null => (call.direction === "outbound" ? call.to : call.from);
export const nearParty = (call: Call): Party | null => (call.direction === "outbound" ? call.from : call.to);

export function partyNumber(party: Party | null, fallback: string | null): string | null {
  if (party?.kind === "withheld") return null;
  return party?.display ?? party?.number ?? party?.raw ?? fallback;
}

/** What can be dialled to reach this party; null where the number is hidden or no number at all. */
export const dialable = (party: Party | null): string | null =>
  party && (party.kind === "public" || party.kind === "extension" || party.kind === "short_code") ? party.number : null;

export function caller(call: Call): Caller {
  const party = farParty(call);
  const plain = call.direction === "outbound" ? call.to_number : call.from_number;
  const number = partyNumber(party, plain);
  const raw = party?.raw ?? party?.number ?? plain;
  const contact = cleanName(call.contact?.name);
  const base = { number, raw, organisation: cleanName(call.contact?.organisation) };
  if (contact) return { ...base, known: "contact", name: contact };
  const network = cleanName(party?.name);
  // Some switches repeat the number as the name; that names nobody.
  if (network && digits(network) !== digits(number ?? "")) return { ...base, known: "network", name: network };
  const withheld = party?.kind === "withheld" || number === null;
  return { ...base, known: withheld ? "withheld" : "unknown", name: null };
}

/** First letter up, for a reason that stands alone. */
export const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const digits = (text: string): string => (/[\p{L}]/u.test(text) ? text : text.replace(/\D/g, ""));

const TITLES = new Set(["mevrouw", "mevr", "mw", "meneer", "dhr", "heer", "de", "mr", "mrs", "ms", "dr", "ir", "prof"]);
const segments = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const first = (word: string): string => segments.segment(word)[Symbol.iterator]().next().value?.segment ?? "";

/** “Mevrouw A. van der Veen” → “AV”; an emoji or one word gives one sign. */
export function initials(name: string): string {
  const words = name.split(/[\s,]+/).filter((w) => /[\p{L}\p{N}\p{Extended_Pictographic}]/u.test(w));
  const own = words.filter((w) => !TITLES.has(w.replace(/\./g, "").toLowerCase()));
  const from = own.length > 0 ? own : words;
  const head = from[0];
  if (!head) return "";
  const capital = from.slice(1).filter((w) => first(w) !== first(w).toLowerCase() || !/\p{Ll}/u.test(first(w)));
  const tail = capital[capital.length - 1] ?? (from.length > 1 ? from[from.length - 1] : undefined);
  return `${sign(head)}${tail ? sign(tail) : ""}`.toUpperCase();
}

const sign = (word: string): string => first(word.replace(/^[^\p{L}\p{N}\p{Extended_Pictographic}]+/u, ""));

const PLATFORMS: Record<string, string> = {
  asterisk: "Asterisk",
  dialpad: "Dialpad",
  ringcentral: "RingCentral",
  wildix: "Wildix",
  callvoip: "CallVoip",
  freeswitch: "FreeSWITCH",
  "3cx": "3CX",
};

export const platformName = (platform: string): string =>
  PLATFORMS[platform] ?? platform.charAt(0).toUpperCase() + platform.slice(1);

export interface Who {
  name: string | null;
  extension: string | null;
  number: string | null;
}

export const legWho = (leg: Leg): Who => ({
  name: cleanName(leg.name),
  extension: leg.extension,
  number: leg.number,
});

export const agentWho = (call: Call): Who | null =>
  call.agent && (call.agent.name || call.agent.extension || call.agent.user_id)
    ? {
        name: cleanName(call.agent.name) ?? (call.agent.extension ? null : call.agent.user_id),
        extension: call.agent.extension,
        number: null,
      }
    : null;

/** Agents whose phone rings now, beside the one the call names. */
export function alsoRinging(call: Call): Who[] {
  if (call.status !== "ringing") return [];
  const own = call.agent;
  // Some platforms name extensions, others only user ids.
  const isOwn = (l: Leg) =>
    (own?.extension != null && l.extension === own.extension) || (own?.user_id != null && l.user_id === own.user_id);
  return call.legs
    .filter((l) => l.kind === "agent" && !l.ended_at && !l.answered_at && !isOwn(l))
    .map(legWho);
}
