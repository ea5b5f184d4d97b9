// Contact moments being written: one for each call, kept while the page lives, so that going to
// another call and back loses nothing. Saves, completes, and knows what still waits.

import { computed, reactive, shallowRef } from "vue";
import { getMoment, getMoments, patchMoment, postDisposition, postWrapUp, type Refusal } from "../core/api";
import { dialable, farParty } from "../core/format";
import {
  STAY_MS, UNCOUNTED_MS, awaits, bodyOf, freshFollowUp, isMine, isWritable, opening, sameText, taskOf, textOf, wrapUp, wrapUpEnd,
  hasText, type FollowUp, type Text, type WrapUp,
} from "../core/moment";
import { beganAt, isLive, ms, putMoment } from "../core/state";
import type { Call, Moment, MomentItem, Task } from "../core/types";
import { say } from "./announce";
import { dropDraft, dropOldDrafts, keepDraft, keptDraft } from "./drafts";
import { t } from "./i18n";
import { nameOf } from "./say";
import { mayWrite, outcomes, own, ownAgent, workSettings } from "./settings";
import { now, shown, state, wrapping } from "./store";
import { taskCame } from "./tasks";

const SAVE_AFTER_MS = 600;
const RETRY_MS = 10_000;
const DONE_MS = 2_000;
const MINUTE_MS = 60_000;

export interface Writing {
  id: string;
  text: Text;
  follow: FollowUp;
  /** What the server has. */
  base: Text;
  version: number;
  save: "none" | "waiting" | "saving" | "saved" | "failed";
  savedAt: number | null;
  /** What somebody, or this person elsewhere, wrote at the same time. */
  other: { text: Text; at: number } | null;
  completing: boolean;
  fault: Refusal | null;
  /** Server time of the last key; 0 for none. */
  typedAt: number;
  /** The outcome is the call's suggestion, not the person's choice. */
  suggested: boolean;
  /** Completed already: what is written now corrects it. */
  correcting: boolean;
}

export const writings = reactive<Record<string, Writing>>({});
/** Calls of others, or completed ones, whose form was opened by hand. */
const byHand = reactive(new Set<string>());
const fetched = shallowRef<readonly MomentItem[]>([]);
/** Put off: their wrap-up is over on this page whatever its clock says. */
const putOff = reactive(new Set<string>());
const staying = new Set<string>();
/** Just completed: the card says so, then leaves. Until when, by server time. */
export const completed = reactive<Record<string, number>>({});

// ---- whose form is open --------------------------------------------------------------

export const showsForm = (call: Call): boolean =>
  workSettings.value !== null && mayWrite.value && Boolean(call.contact_moment) && !completed[call.id] && (byHand.has(call.id) || (isWritable(call) && isMine(call, own.value)));
/** The call whose form stands in the middle. */
export const formCall = computed<Call | null>(() => (shown.value && showsForm(shown.value) ? shown.value : null));
/** A form in the middle is work that no ringing call may take away. */
export const isWriting = computed(() => formCall.value !== null);

export function openForm(call: Call): void {
  byHand.add(call.id);
}
export const openedByHand = (id: string): boolean => byHand.has(id);
export function closeForm(id: string): void {
  byHand.delete(id);
}

export function writingOf(call: Call): Writing {
  const moment = call.contact_moment as Moment;
  const had = writings[call.id];
  if (had) {
    follow(had, moment);
    return had;
  }
  const { text, other } = opening(moment, keptDraft(call.id));
  const suggests = text.outcome === null && awaits(call) && moment.suggested_outcome !== null;
  const made: Writing = {
    id: call.id,
    text: { ...text, outcome: suggests ? moment.suggested_outcome : text.outcome },
    follow: freshFollowUp(call, dialable(farParty(call)), now.value, workSettings.value, ownAgent.value !== null),
    base: textOf(moment),
    version: moment.version,
    save: "none",
    savedAt: moment.edited_at ? ms(moment.edited_at) : null,
    other,
    completing: false,
    fault: null,
    typedAt: 0,
    suggested: suggests,
    correcting: moment.status === "completed",
  };
  writings[call.id] = made;
  const live = writings[call.id] as Writing;
  if (!suggests && !sameText(live.text, live.base)) schedule(live, 0);
  return live;
}

/** The record has moved on: what is not being written here is taken over. */
function follow(writing: Writing, moment: Moment): void {
  writing.correcting = moment.status === "completed";
  const suggestion = moment.suggested_outcome;
  if (suggestion && writing.text.outcome === null && moment.status === "disposition-pending") {
    writing.text.outcome = suggestion;
    writing.suggested = true;
  }
  if (moment.version <= writing.version || writing.save === "waiting" || writing.save === "saving") return;
  const clean = sameText(writing.text, writing.base);
  writing.version = moment.version;
  writing.base = textOf(moment);
  if (clean) writing.text = textOf(moment);
}

// ---- keeping what is typed -------------------------------------------------------------

const timers = new Map<string, number>();
const again = new Set<string>();

/** A key was pressed or a choice made. */
export function touched(writing: Writing): void {
  writing.typedAt = now.value;
  writing.fault = null;
  keepDraft(writing.id, { text: { ...writing.text }, base: { ...writing.base }, at: Date.now() });
  schedule(writing, SAVE_AFTER_MS);
}

export function choseOutcome(writing: Writing, code: string): void {
  writing.text.outcome = code;
  writing.suggested = false;
  touched(writing);
}

function schedule(writing: Writing, after: number): void {
  if (writing.correcting) return; // Kept on the device; given with the correction.
  window.clearTimeout(timers.get(writing.id));
  if (writing.save !== "saving" && writing.save !== "failed") writing.save = "waiting";
  timers.set(writing.id, window.setTimeout(() => void save(writing), after));
}

/** The field was left: what waits is sent now. */
export function flush(writing: Writing): void {
  if (writing.save === "waiting") schedule(writing, 0);
}

const sent = (writing: Writing): Text => ({ ...writing.text, outcome: writing.suggested ? null : writing.text.outcome });

async function save(writing: Writing): Promise<void> {
  timers.delete(writing.id);
  if (writing.completing || writing.correcting || !(writing.id in writings)) return;
  if (writing.save === "saving") {
    again.add(writing.id);
    return;
  }
  const text = sent(writing);
  if (sameText(text, writing.base)) {
    writing.save = writing.savedAt === null ? "none" : "saved";
    dropDraft(writing.id);
    return;
  }
  const wasFailing = writing.save === "failed";
  writing.save = "saving";
  const answer = await patchMoment(writing.id, { ...bodyOf(text), version: writing.version });
  if (!(writing.id in writings)) return;
  if (answer.ok) {
    writing.base = text;
    writing.version = answer.data.version;
    writing.savedAt = now.value;
    writing.save = "saved";
    state.value = putMoment(state.value, momentOf(answer.data));
    if (sameText(sent(writing), text)) dropDraft(writing.id);
    else again.add(writing.id);
  } else if (answer.code === "conflict" && (await reconcile(writing))) {
    writing.save = "waiting";
    again.add(writing.id);
  } else if (writing.correcting) {
    again.delete(writing.id);
    return;
  } else {
    writing.save = "failed";
    if (!wasFailing) say(t("moment.say_failed"));
    schedule(writing, RETRY_MS);
    return;
  }
  if (again.delete(writing.id)) schedule(writing, SAVE_AFTER_MS);
}

/** Only the moment, whatever came with it. */
function momentOf(item: Moment & { call?: Call; task?: Task | null }): Moment {
  const { call: _call, task: _task, ...moment } = item;
  return moment;
}

/**
 * Somebody was faster: what they wrote is kept beside what is written here, which is later and
 * stands. True when the server's version is now known.
 */
async function reconcile(writing: Writing): Promise<boolean> {
  const answer = await getMoment(writing.id);
  if (!answer.ok) return false;
  const theirs = textOf(answer.data);
  if (!sameText(theirs, writing.base) && !sameText(theirs, sent(writing)) && hasText(theirs)) {
    writing.other = { text: theirs, at: ms(answer.data.edited_at) };
    say(t("moment.say_other"));
  }
  writing.base = theirs;
  writing.version = answer.data.version;
  state.value = putMoment(state.value, momentOf(answer.data));
  if (answer.data.status === "completed") {
    // Completed by somebody else while this was typed: nothing typed is thrown away.
    byHand.add(writing.id);
    writing.correcting = true;
    writing.save = "none";
    return false;
  }
  return true;
}

export function takeOther(writing: Writing): void {
  if (!writing.other) return;
  const mine = { text: { ...writing.text }, at: Date.now() };
  writing.text = { ...writing.other.text };
  writing.other = mine;
  touched(writing);
}

/** What could not be saved is tried again when the server is back. */
export function retryDrafts(): void {
  for (const writing of Object.values(writings)) if (writing.save === "failed") schedule(writing, 0);
}

// ---- completing ----------------------------------------------------------------------------

/** True when the server took it. */
export async function complete(writing: Writing, call: Call): Promise<boolean> {
  if (writing.completing) return false;
  window.clearTimeout(timers.get(writing.id));
  writing.completing = true;
  writing.fault = null;
  const kind = outcomes.value.find((o) => o.code === writing.text.outcome)?.task ?? null;
  const task = call.contact_moment?.task_id ? null : taskOf(kind, writing.follow, workSettings.value?.hours ?? null, own.value.agent);
  const body = { ...bodyOf(writing.text), ...(task ? { task } : {}) };
  let answer = await postDisposition(writing.id, { ...body, version: writing.version });
  if (!answer.ok && answer.code === "conflict") {
    const had = writing.other;
    await reconcile(writing);
    // Only the number of the version moved, for instance because a contact was chosen.
    if (writing.other === had && !writing.correcting) answer = await postDisposition(writing.id, { ...body, version: writing.version });
  }
  writing.completing = false;
  if (!answer.ok) {
    writing.fault = answer;
    keepDraft(writing.id, { text: { ...writing.text }, base: { ...writing.base }, at: Date.now() });
    say(t("moment.say_not_completed"));
    return false;
  }
  dropDraft(writing.id);
  delete writings[writing.id];
  byHand.delete(writing.id);
  staying.delete(writing.id);
  if (!isLive(call)) completed[call.id] = now.value + DONE_MS;
  state.value = putMoment(state.value, momentOf(answer.data.contact_moment));
  fetched.value = fetched.value.filter((row) => row.id !== writing.id);
  if (answer.data.task) taskCame(answer.data.task, false);
  say(t(answer.data.task ? "moment.say_completed_task" : "moment.say_completed", { name: nameOf(call) }));
  tickMoments();
  return true;
}

// ---- wrap-up, and what is left to complete ---------------------------------------------------

export const wrapUps = shallowRef<Readonly<Record<string, WrapUp & { total: number }>>>({});
const saidSoon = new Set<string>();
const failedWrapUp = reactive<Record<string, boolean>>({});
export const wrapUpFailed = (id: string): boolean => failedWrapUp[id] === true;

function wrapUpOf(call: Call): (WrapUp & { total: number }) | null {
  if (putOff.has(call.id) || !isMine(call, own.value) || isLive(call)) return null;
  const end = wrapUpEnd(call, workSettings.value?.wrap_up_seconds ?? 0);
  if (end === null) return null;
  const found = wrapUp(end, Boolean(call.contact_moment?.wrap_up_until), writings[call.id]?.typedAt ?? 0, now.value);
  return found && { ...found, total: Math.max(1, end - ms(call.ended_at)) };
}

/** Once a second, and when something was done. */
export function tickMoments(): void {
  const next: Record<string, WrapUp & { total: number }> = {};
  for (const call of Object.values(state.value.calls)) {
    const found = wrapUpOf(call);
    if (!found) continue;
    next[call.id] = found;
    if (found.left !== null && found.left <= 20_000 && found.left > 15_000 && !saidSoon.has(call.id)) {
      saidSoon.add(call.id);
      say(t("wrap.say_soon"));
    }
    const until = ms(call.contact_moment?.wrap_up_until);
    if (staying.has(call.id) && until - now.value < UNCOUNTED_MS + MINUTE_MS) void askWrapUp(call, STAY_MS);
  }
  wrapUps.value = next;
  for (const [id, until] of Object.entries(completed)) if (until <= now.value) delete completed[id];
  const ids = [...Object.keys(next), ...Object.keys(completed)];
  if (ids.length !== wrapping.value.size || ids.some((id) => !wrapping.value.has(id))) wrapping.value = new Set(ids);
}

async function askWrapUp(call: Call, ms: number): Promise<void> {
  const answer = await postWrapUp(call.id, new Date(now.value + ms).toISOString());
  if (answer.ok) {
    delete failedWrapUp[call.id];
    state.value = putMoment(state.value, momentOf(answer.data));
    // The version is the moment's, and what is being written is of it.
    const writing = writings[call.id];
    if (writing && sameText(textOf(answer.data), writing.base)) writing.version = answer.data.version;
  } else {
    failedWrapUp[call.id] = true;
    say(t("wrap.failed"));
  }
  tickMoments();
}

export async function addMinute(call: Call): Promise<void> {
  const left = wrapUps.value[call.id]?.left ?? 0;
  saidSoon.delete(call.id);
  await askWrapUp(call, Math.min(left + MINUTE_MS, STAY_MS));
}

export async function stay(call: Call): Promise<void> {
  staying.add(call.id);
  await askWrapUp(call, STAY_MS);
}

/** Leaves it for later: at once here, and as soon as the server hears of it everywhere. */
export async function later(call: Call): Promise<void> {
  const writing = writings[call.id];
  if (writing) flush(writing);
  putOff.add(call.id);
  staying.delete(call.id);
  byHand.delete(call.id);
  tickMoments();
  say(t("wrap.say_later", { name: nameOf(call) }));
  if (wrapUpEnd(call, workSettings.value?.wrap_up_seconds ?? 0) !== null) await askWrapUp(call, 0);
}

/** By key: the call that is shown, or the only one in wrap-up. */
export function minuteByKey(): boolean {
  const ids = Object.keys(wrapUps.value);
  const id = shown.value && shown.value.id in wrapUps.value ? shown.value.id : ids.length === 1 ? ids[0] : undefined;
  const call = id === undefined ? undefined : state.value.calls[id];
  if (!call) return false;
  void addMinute(call);
  return true;
}

/** Whose disposition waits, without those whose wrap-up still counts: newest first. */
export const toComplete = computed<Call[]>(() => {
  if (!workSettings.value) return [];
  const found = new Map<string, Call>();
  for (const { call, ...row } of fetched.value) found.set(call.id, { ...call, contact_moment: momentOf(row) });
  for (const call of Object.values(state.value.calls)) {
    if (found.has(call.id) || (awaits(call) && (isMine(call, own.value) || byHand.has(call.id)))) found.set(call.id, call);
  }
  return [...found.values()].filter((c) => awaits(c) && !isLive(c) && !(c.id in wrapUps.value)).sort((a, b) => beganAt(b) - beganAt(a));
});

export async function loadPending(): Promise<void> {
  dropOldDrafts(Date.now());
  const answer = await getMoments({ status: "disposition-pending", mine: "true", limit: "50" });
  // Without an answer the ones of today are known by their calls.
  if (answer.ok) fetched.value = answer.data;
  tickMoments();
}

/** What came with an answer: the moment, and the call with its contact. */
export function takeItem(item: MomentItem): void {
  state.value = putMoment(state.value, momentOf(item), item.call);
}

export function clearMoments(): void {
  for (const timer of timers.values()) window.clearTimeout(timer);
  timers.clear();
  for (const id of Object.keys(writings)) delete writings[id];
  for (const id of Object.keys(completed)) delete completed[id];
  byHand.clear();
  putOff.clear();
  staying.clear();
  fetched.value = [];
  wrapUps.value = {};
  wrapping.value = new Set();
}
