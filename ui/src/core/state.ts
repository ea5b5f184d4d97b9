// What the page knows about calls, and the only place where that changes.
// Pure: frame and state in, state and outcome out, so that a test can replay a day.

import type { Call, Connection, EventFrame, Frame, Moment, Pop, Status } from "./types";

/** How long an ended card stays in the dock before it leaves. */
export const LEAVE_MS = 4_000;

export interface State {
  epoch: string | null;
  /** The last sequence number that was applied; resuming asks for what came after it. */
  seq: number;
  /** Up to here the server replays or has vouched for: holes below it are not losses. */
  vouched: number;
  awaitingSnapshot: boolean;
  /** Live calls and the ones of today, by id. */
  calls: Readonly<Record<string, Call>>;
  /** Ended cards that are still shown, with the moment (server clock, ms) they leave. */
  leaving: Readonly<Record<string, number>>;
  pops: Readonly<Record<string, Pop>>;
  /** Calls of which a person has said who it is. */
  chosen: Readonly<Record<string, true>>;
  degraded: Readonly<Record<string, Connection>>;
}

export type Outcome = "applied" | "dropped" | "gap";

export const emptyState = (): State => ({
  epoch: null,
  seq: 0,
  vouched: 0,
  awaitingSnapshot: true,
  calls: {},
  leaving: {},
  pops: {},
  chosen: {},
  degraded: {},
});

const LIVE: ReadonlySet<Status> = new Set(["ringing", "active", "held"]);
export const isLive = (call: Call): boolean => LIVE.has(call.status);

export function apply(state: State, frame: Frame, now: number): [State, Outcome] {
  switch (frame.type) {
    case "hello": {
      if (!frame.recovered) {
        return [{ ...state, epoch: frame.epoch, awaitingSnapshot: true }, "applied"];
      }
      return [{ ...state, vouched: Math.max(state.vouched, frame.seq), awaitingSnapshot: false }, "applied"];
    }
    case "snapshot":
      return [fromSnapshot(state, frame.epoch, frame.seq, frame.calls), "applied"];
    case "event":
      return fromEvent(state, frame, now);
    case "pong":
      return [state, "dropped"];
  }
}

function fromSnapshot(state: State, epoch: string, seq: number, live: Call[]): State {
  const calls: Record<string, Call> = {};
  // A call that was live and is not in the snapshot ended while nobody looked. How it
  // ended is not known here, so it goes; the list of today brings it back with the truth.
  for (const [id, call] of Object.entries(state.calls)) {
    if (!isLive(call)) calls[id] = call;
  }
  for (const call of live) {
    if (!call.merged_into) calls[call.id] = call;
  }
  return {
    ...state,
    epoch,
    seq,
    vouched: seq,
    awaitingSnapshot: false,
    calls,
    leaving: {},
    pops: pick(state.pops, calls),
  };
}

function fromEvent(state: State, frame: EventFrame, now: number): [State, Outcome] {
  // The snapshot that is on its way already contains everything up to its own number.
  if (state.awaitingSnapshot) return [state, "dropped"];
  if (frame.epoch !== state.epoch) return [state, "gap"];
  if (frame.seq <= state.seq) return [state, "dropped"];
  const expected = Math.max(state.seq, state.vouched) + 1;
  if (frame.seq > expected) return [state, "gap"];

  let next: State = { ...state, seq: frame.seq };
  const moment = frame.data.contact_moment;
  const call = frame.data.call && moment ? { ...frame.data.call, contact_moment: moment } : frame.data.call;
  if (call) next = putCall(next, call, now);
  const id = frame.call_id ?? call?.id ?? null;

  if (frame.event === "screen_pop.opened" && id) {
    const pop: Pop = {
      action: frame.data.action ?? "navigate",
      matches: frame.data.matches ?? [],
      total: frame.data.total ?? frame.data.matches?.length ?? 0,
    };
    next = { ...next, pops: { ...next.pops, [id]: pop } };
  }
  const connection = frame.data.connection;
  if (connection) {
    const degraded = { ...next.degraded };
    if (frame.event === "connection.degraded") degraded[connection.id] = connection;
    if (frame.event === "connection.restored") delete degraded[connection.id];
    next = { ...next, degraded };
  }
  return [next, "applied"];
}

function putCall(state: State, call: Call, now: number): State {
  const before = state.calls[call.id];
  const calls = { ...state.calls };
  const leaving = { ...state.leaving };
  if (call.merged_into) {
    delete calls[call.id];
    delete leaving[call.id];
    return { ...state, calls, leaving };
  }
  calls[call.id] = call;
  if (isLive(call)) {
    delete leaving[call.id];
  } else if (before && isLive(before)) {
    leaving[call.id] = now + LEAVE_MS;
  }
  return { ...state, calls, leaving };
}

/** Rows of GET /api/calls. An event that overtook the answer wins by its later `updated_at`. */
export function mergeRows(state: State, rows: readonly Call[]): State {
  const calls = { ...state.calls };
  for (const row of rows) {
    const known = calls[row.id];
    if (row.merged_into) delete calls[row.id];
    else if (!known) {
      // A live row which the socket did not report is older than the snapshot: its end
      // would never be seen here, so it must not become a card.
      if (!isLive(row)) calls[row.id] = row;
    } else if (stamp(row) > stamp(known) && isLive(row) === isLive(known)) calls[row.id] = row;
  }
  return { ...state, calls };
}

/**
 * What the server said of one contact moment, later than what is known. The call may come along,
 * with the contact that was chosen for it.
 */
export function putMoment(state: State, moment: Moment, of: Call | null = null): State {
  const call = state.calls[moment.id];
  if (!call || (call.contact_moment && call.contact_moment.version > moment.version)) return state;
  const contact = of ? of.contact : call.contact;
  return { ...state, calls: { ...state.calls, [call.id]: { ...call, contact, contact_moment: moment } } };
}

/** The candidates among whom somebody still has to choose; one person is left once one is chosen. */
export function openPop(state: State, call: Call): Pop | null {
  const pop = state.pops[call.id] ?? null;
  if (pop?.action !== "chooser" || pop.matches.length < 2) return null;
  return call.id in state.chosen || call.contact?.total === 1 ? null : pop;
}

/** Takes away cards whose time is up and rows of earlier days. Same state when nothing goes. */
export function prune(state: State, now: number, dayStart: number): State {
  const gone = Object.entries(state.leaving).filter(([, until]) => until <= now);
  const old = Object.values(state.calls).filter((c) => !isLive(c) && beganAt(c) < dayStart);
  if (gone.length === 0 && old.length === 0) return state;
  const leaving = { ...state.leaving };
  for (const [id] of gone) delete leaving[id];
  const calls = { ...state.calls };
  for (const call of old) if (!(call.id in leaving)) delete calls[call.id];
  return { ...state, calls, leaving, pops: pick(state.pops, calls) };
}

// ---- reading ---------------------------------------------------------------

/**
 * Newest ring first, and nothing else: a call changes its colour in the dock, never its place.
 * The moment of ringing counts, not the start: a caller may have waited in a queue for long.
 * `kept` are the ended ones that somebody still works on.
 */
export function dockCalls(state: State, kept: ReadonlySet<string> = new Set()): Call[] {
  return Object.values(state.calls)
    .filter((c) => isLive(c) || c.id in state.leaving || kept.has(c.id))
    .sort((a, b) => rangAt(b) - rangAt(a) || cmp(b.id, a.id));
}

/** Finished calls, newest first. */
export function finishedCalls(state: State): Call[] {
  return Object.values(state.calls)
    .filter((c) => !isLive(c))
    .sort((a, b) => beganAt(b) - beganAt(a) || cmp(b.id, a.id));
}

/** What came by between two moments: for the line that says so after a lost connection. */
export function cameBy(state: State, from: number): { total: number; answered: number; missed: number } {
  const seen = Object.values(state.calls).filter((c) => beganAt(c) >= from);
  return {
    total: seen.length,
    answered: seen.filter((c) => c.answered_at !== null).length,
    missed: seen.filter((c) => c.status === "missed").length,
  };
}

export const ms = (iso: string | null | undefined): number => {
  const value = iso ? Date.parse(iso) : NaN;
  return Number.isNaN(value) ? 0 : value;
};

export const beganAt = (c: Call): number => ms(c.started_at ?? c.rang_at ?? c.created_at);
export const rangAt = (c: Call): number => ms(c.rang_at ?? c.started_at ?? c.created_at);
const stamp = (c: Call): number => ms(c.updated_at ?? c.created_at);
const cmp = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function pick<T>(from: Readonly<Record<string, T>>, keep: Readonly<Record<string, unknown>>): Record<string, T> {
  return Object.fromEntries(Object.entries(from).filter(([id]) => id in keep));
}
