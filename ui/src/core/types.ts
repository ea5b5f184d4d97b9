// The wire contract as the page reads it. Ids and times are strings on the wire
// (a Dialpad id does not fit a JavaScript number); absent values are null.

export type Status =
  | "ringing"
  | "active"
  | "held"
  | "ended"
  | "missed"
  | "rejected"
  | "voicemail";

export type NumberKind =
  | "public"
  | "extension"
  | "short_code"
  | "emergency"
  | "sip"
  | "withheld"
  | "unknown";

export interface Party {
  number: string | null;
  raw: string | null;
  kind: NumberKind;
  display: string | null;
  name: string | null;
}

export interface Agent {
  id: string | null;
  extension: string | null;
  user_id: string | null;
  email: string | null;
  name: string | null;
}

export type Certainty = "certain" | "likely" | "possible" | "fallback";

export interface ContactMatch {
  id: string;
  name: string;
  organisation: string | null;
  certainty: Certainty;
  percent: number;
  why: string | null;
}

export interface Contact extends ContactMatch {
  /** Pinned note that the agent should see first. */
  note?: string | null;
  /** Where the record lives in the business software. */
  url?: string | null;
  total: number;
}

export interface Leg {
  id: string;
  kind: "agent" | "external" | "routing";
  extension: string | null;
  user_id: string | null;
  name: string | null;
  number: string | null;
  started_at: string | null;
  rang_at: string | null;
  answered_at: string | null;
  ended_at: string | null;
  end_cause: string | null;
  hangup_cause: number | null;
}

export interface Hold {
  from: string;
  to: string | null;
}

export interface Transfer {
  at: string;
  kind: "blind" | "attended" | "unknown";
  from: string | null;
  to: string | null;
}

export interface Recording {
  id: string;
  url: string | null;
  state: "pending" | "available" | "expired" | "gone";
  started_at: string | null;
  duration_seconds: number | null;
}

export interface Voicemail {
  id: string;
  url: string | null;
  transcript: string | null;
  duration_seconds: number | null;
}

export interface Call {
  id: string;
  platform: string;
  connection_id: string;
  external_call_id: string | null;
  direction: "inbound" | "outbound" | "internal" | null;
  status: Status;
  from_number: string | null;
  to_number: string | null;
  from: Party | null;
  to: Party | null;
  agent: Agent | null;
  queue: string | null;
  contact: Contact | null;
  started_at: string | null;
  rang_at: string | null;
  answered_at: string | null;
  ended_at: string | null;
  created_at: string | null;
  updated_at: string | null;
  ring_seconds: number | null;
  duration_seconds: number | null;
  hold_seconds: number | null;
  end_cause: string | null;
  hangup_cause: number | null;
  ended_by: "agent" | "remote" | "system" | null;
  recording_url: string | null;
  recordings: Recording[];
  voicemail: Voicemail | null;
  holds: Hold[];
  transfers: Transfer[];
  legs: Leg[];
  missing: string[];
  merged_into: string | null;
  /** The other half of the call; absent from a server that knows none. */
  contact_moment?: Moment | null;
}

export interface Author {
  kind: "agent" | "person" | "key" | "system";
  id: string | null;
  name: string | null;
}

/** What people say of a call. Its id is the call's. */
export interface Moment {
  id: string;
  status: "pending" | "disposition-pending" | "completed";
  subject: string | null;
  outcome: string | null;
  notes: string | null;
  suggested_outcome: string | null;
  version: number;
  wrap_up_until: string | null;
  edited_at: string | null;
  completed_at: string | null;
  completed_by: Author | null;
  task_id: string | null;
}
export type MomentItem = Moment & { call: Call; task?: Task | null };

export type TaskKind = "terugbelverzoek" | "opvolgtaak" | "informatievraag";
export type TaskStatus = "open" | "in_behandeling" | "afgerond" | "verlopen";
export type TaskPriority = "laag" | "normaal" | "hoog";
export type AttemptResult = "bereikt" | "niet_bereikt" | "geen_gehoor" | "voicemail";

export interface Attempt {
  at: string;
  result: AttemptResult;
  notes: string | null;
  by: Author;
}

export interface Task {
  id: string;
  version: number;
  type: TaskKind;
  status: TaskStatus;
  priority: TaskPriority;
  subject: string;
  description: string | null;
  deadline: string | null;
  assignee: { id: string; name: string } | null;
  queue: string | null;
  contact: { id: string; name: string } | null;
  call_id: string | null;
  callback_number: string | null;
  callback_display: string | null;
  preferred_from: string | null;
  preferred_to: string | null;
  source: "disposition" | "missed_call" | "hand";
  attempts: Attempt[];
  suggest_close: boolean;
  created_at: string;
  created_by: Author;
  updated_at: string;
  completed_at: string | null;
  completed_by: Author | null;
  result: string | null;
}

export interface Outcome {
  code: string;
  label: string;
  /** The kind of task it makes; null for none. */
  task: TaskKind | null;
}

export interface Hours {
  time_zone: string;
  /** Days as ISO has them, Monday 1; times of the day with seconds. */
  open: { days: number[]; from: string; to: string }[];
  /** Days on which nobody works, as “2026-12-25”. */
  holidays: string[];
}

export interface WorkSettings {
  outcomes: Outcome[];
  built_in_outcomes?: Outcome[];
  escalation_queue: string | null;
  wrap_up_seconds: number;
  screen_pop_enabled: boolean;
  screen_pop_delay_ms: number;
  click_to_dial_enabled: boolean;
  hours: Hours | null;
}

export interface AgentRow {
  id: string;
  name: string;
  active?: boolean;
}

export interface Pop {
  action: "navigate" | "chooser" | "intake";
  matches: ContactMatch[];
  total: number;
}

export interface Connection {
  id: string;
  platform: string;
  name: string;
  state: string;
  reason: string | null;
  since: string | null;
}

export interface HelloFrame {
  type: "hello";
  app_id: string;
  epoch: string;
  seq: number;
  recovered: boolean;
  server_time: string;
  ping_seconds: number;
}

export interface SnapshotFrame {
  type: "snapshot";
  epoch: string;
  seq: number;
  calls: Call[];
}

export interface EventFrame {
  type: "event";
  event: string;
  seq: number;
  id: string;
  epoch: string;
  call_id: string | null;
  at: string | null;
  timestamp: string | null;
  data: {
    call?: Call;
    connection?: Connection;
    action?: Pop["action"];
    matches?: ContactMatch[];
    total?: number;
    dial?: FailedDial;
    contact_moment?: Moment;
    task?: Task;
  };
}

/** A call that was asked for and came to nothing. */
export interface FailedDial {
  id: string;
  call_id: string;
  target: string | null;
  cause: string;
  detail: string;
}

/** What can be done to a call, and why not. */
export interface ActionState {
  action: string;
  possible: boolean;
  reason?: string | null;
  /** `not_supported` where the platform never can; anything else may pass. */
  code?: string | null;
  /** For `transfer`: which ways. */
  kinds?: string[];
}

/** A call that was asked for. */
export interface DialView {
  call_id?: string | null;
}

export interface ConnectionRow {
  id: string;
  platform: string;
  name: string;
  places_calls: boolean;
  /** Why it does not place calls. */
  why_not: string | null;
}

export interface PongFrame {
  type: "pong";
  server_time: string;
}

export type Frame = HelloFrame | SnapshotFrame | EventFrame | PongFrame;

export interface Me {
  app: { id: string; name: string; country: string | null };
  role: string;
  /** The agent they are, where one is known. */
  agent?: { id: string; name: string } | null;
  user?: { id: string } | null;
  /** What they may do; `all` for everything. Left out by older servers. */
  scopes?: string[];
}
