// Our own lookup: two flat files, plural by Intl, no library. About 1 kB.

import { computed, ref, watchEffect } from "vue";
import en from "../i18n/en.json";
import nl from "../i18n/nl.json";
import type { Who } from "../core/format";
import { stored } from "./stored";

export type Lang = "en" | "nl";
export type Key = keyof typeof en;
export type Params = Record<string, string | number>;

const MESSAGES: Record<Lang, Record<Key, string>> = { en, nl };
export const LANGS: readonly { id: Lang; name: string }[] = [
  { id: "en", name: "English" },
  { id: "nl", name: "Nederlands" },
];

const wanted = stored("switchhook.lang", "");
const first = navigator.languages.find((l) => /^(en|nl)\b/.test(l))?.slice(0, 2);
export const lang = ref<Lang>(wanted.value === "nl" || wanted.value === "en" ? wanted.value : first === "nl" ? "nl" : "en");

/** The reader's own flavour of the language: en-GB writes the time in another way than en-US. */
const locale = computed(() => navigator.languages.find((l) => l.startsWith(lang.value)) ?? lang.value);

watchEffect(() => {
  document.documentElement.lang = lang.value;
});

export function setLang(next: Lang): void {
  lang.value = next;
  wanted.value = next;
}

const plurals = computed(() => new Intl.PluralRules(lang.value));

export function t(key: Key, params: Params = {}): string {
  let text = MESSAGES[lang.value][key];
  if (text.includes("|") && typeof params["n"] === "number") {
    const [one, other] = text.split("|");
    text = (plurals.value.select(params["n"]) === "one" ? one : other) ?? text;
  }
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}

/** For keys that are put together from a code on the wire, which may be newer than this page. */
export function tCode(prefix: string, code: string, otherwise: Key): string {
  const key = `${prefix}.${code}`;
  return key in en ? t(key as Key) : t(otherwise, { code });
}

/** “09:54” where the day has 24 hours, “9:54 AM” where it has two times twelve. */
const hour = computed(() =>
  new Intl.DateTimeFormat(locale.value, { hour: "numeric" }).resolvedOptions().hour12 ? ("numeric" as const) : ("2-digit" as const),
);
const clockMinute = computed(() => new Intl.DateTimeFormat(locale.value, { hour: hour.value, minute: "2-digit" }));
const clockSecond = computed(
  () => new Intl.DateTimeFormat(locale.value, { hour: hour.value, minute: "2-digit", second: "2-digit" }),
);
const day = computed(() => new Intl.DateTimeFormat(locale.value, { weekday: "short", day: "numeric", month: "short" }));
const full = computed(() => new Intl.DateTimeFormat(locale.value, { dateStyle: "full", timeStyle: "long" }));

function moment(at: string | number | null): Date | null {
  const date = at === null ? null : new Date(at);
  return date && !Number.isNaN(date.getTime()) ? date : null;
}

const show = (format: Intl.DateTimeFormat, at: string | number | null): string => {
  const date = moment(at);
  return date ? format.format(date) : "";
};

export const timeOf = (at: string | number | null): string => show(clockMinute.value, at);
export const exactTime = (at: string | number | null): string => show(clockSecond.value, at);
export const fullTime = (at: string | number | null): string => show(full.value, at);

/** “16:24” today, “Thu 12 Nov 10:03” before. */
export function whenOf(at: string | null, now: number): string {
  const date = moment(at);
  if (!date) return "";
  const today = new Date(now).toDateString() === date.toDateString();
  return today ? clockMinute.value.format(date) : `${day.value.format(date)} ${clockMinute.value.format(date)}`;
}

/** A day as “Thu 26 Nov”, from its own name. */
export const dayWords = (name: string): string => show(day.value, `${name}T12:00:00`);

const lists = computed(() => new Intl.ListFormat(lang.value, { type: "conjunction", style: "narrow" }));
export const listOf = (parts: string[]): string => lists.value.format(parts);

/** “Agent Ada, ext. 100” in full, “Agent Ada” in short. */
export function whoText(who: Who, short = false): string {
  if (who.name && who.extension && !short) return t("who.both", { name: who.name, ext: who.extension });
  if (who.name) return who.name;
  if (who.extension) return t("who.ext", { ext: who.extension });
  return who.number ?? t("who.nobody");
}
