// Calls and frames for the tests of the pure modules.

import type { Call, EventFrame, HelloFrame, Leg, SnapshotFrame } from "./types";

export const T0 = "2026-11-22T10:00:00.000Z";

export function call(id: string, more: Partial<Call> = {}): Call {
  const party = { number: "+31612345678", raw: "0612345678", kind: "public" as const, display: "+31 6 12345678", name: null };
  return {
    id,
    platform: "asterisk",
    connection_id: "c",
    external_call_id: null,
    direction: "inbound",
    status: "ringing",
    from_number: party.number,
    to_number: "+31201234567",
    from: party,
    to: { ...party, number: "+31201234567", raw: null, display: "+31 20 123 4567", name: "Front desk" },
    agent: null,
    queue: null,
    contact: null,
    started_at: T0,
    rang_at: T0,
    answered_at: null,
    ended_at: null,
    created_at: T0,
    updated_at: T0,
    ring_seconds: null,
    duration_seconds: null,
    hold_seconds: 0,
    end_cause: null,
    hangup_cause: null,
    ended_by: null,
    recording_url: null,
    recordings: [],
    voicemail: null,
    holds: [],
    transfers: [],
    legs: [],
    missing: [],
    merged_into: null,
    ...more,
  };
}

export const leg = (extension: string, more: Partial<Leg> = {}): Leg => ({
  id: extension,
  kind: "agent",
  extension,
  user_id: null,
  name: null,
  number: null,
  started_at: T0,
  rang_at: T0,
  answered_at: null,
  ended_at: null,
  end_cause: null,
  hangup_cause: null,
  ...more,
});

export const hello = (more: Partial<HelloFrame> = {}): HelloFrame => ({
  type: "hello",
  app_id: "app",
  epoch: "e1",
  seq: 0,
  recovered: false,
  server_time: T0,
  ping_seconds: 30,
  ...more,
});

export const snapshot = (seq: number, calls: Call[]): SnapshotFrame => ({ type: "snapshot", epoch: "e1", seq, calls });

export const event = (seq: number, name: string, of: Call | null, data: EventFrame["data"] = {}): EventFrame => ({
  type: "event",
  event: name,
  seq,
  id: `event-${seq}`,
  epoch: "e1",
  call_id: of?.id ?? null,
  at: T0,
  timestamp: T0,
  data: of ? { call: of, ...data } : data,
});
