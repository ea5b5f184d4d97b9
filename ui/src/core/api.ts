// The few REST calls of this page. An answer is a value, never an exception.

import type {
  ActionState, AgentRow, Call, ConnectionRow, DialView, EventFrame, Me, Moment, MomentItem, Task, WorkSettings,
} from "./types";

export type Answer<T> = { ok: true; data: T; total: number; cursor: string | null } | { ok: false; status: number };

const TIMEOUT_MS = 10_000;

export async function get<T>(path: string): Promise<Answer<T>> {
  try {
    const response = await fetch(path, {
      headers: { accept: "application/json" },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      cache: "no-store",
    });
    if (!response.ok) return { ok: false, status: response.status };
    const body = (await response.json()) as {
      data: T;
      pagination?: { total?: number; next_cursor?: string | null; has_more?: boolean };
    };
    return {
      ok: true,
      data: body.data,
      total: body.pagination?.total ?? 0,
      cursor: body.pagination?.has_more ? (body.pagination.next_cursor ?? null) : null,
    };
  } catch {
    return { ok: false, status: 0 };
  }
}

export const getMe = (): Promise<Answer<Me>> => get<Me>("/api/me");

export function getCalls(query: Record<string, string>): Promise<Answer<Call[]>> {
  return get<Call[]>(`/api/calls?${new URLSearchParams(query).toString()}`);
}

export const getEvents = (after: number, limit: number): Promise<Answer<EventFrame[]>> =>
  get<EventFrame[]>(`/api/events?after=${after}&limit=${limit}`);

/** For the agent of that extension; empty for whoever is on the call. */
export const getActions = (call: string, extension: string): Promise<Answer<ActionState[]>> =>
  get<ActionState[]>(`/api/calls/${encodeURIComponent(call)}/actions${extension ? `?extension=${encodeURIComponent(extension)}` : ""}`);

export const getConnections = (): Promise<Answer<ConnectionRow[]>> => get<ConnectionRow[]>("/api/connections");

/** Why something was not done. */
export interface Refusal {
  /** The server's word; `unreachable` when there was no answer. */
  code: string;
  /** The server's sentence, with the way out. */
  detail: string | null;
  /** The field at fault. */
  field?: string | undefined;
  /** Everything the server said, for members of one code only. */
  said?: Record<string, unknown>;
}
export type Done<T> = { ok: true; data: T } | ({ ok: false } & Refusal);

/** Vendors are slow: a command may take as long as their answer. */
const COMMAND_TIMEOUT_MS = 20_000;

export const post = <T>(path: string, body: object, headers: Record<string, string> = {}): Promise<Done<T>> => send<T>("POST", path, body, headers);

export async function send<T>(method: "POST" | "PUT" | "PATCH", path: string, body: object, headers: Record<string, string> = {}): Promise<Done<T>> {
  try {
    const response = await fetch(path, {
      method,
      headers: { accept: "application/json", "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(COMMAND_TIMEOUT_MS),
      cache: "no-store",
    });
    const text = await response.text();
    const answer = (text ? JSON.parse(text) : {}) as { data?: T; code?: string; detail?: string; field?: string };
    if (response.ok) return { ok: true, data: answer.data as T };
    return { ok: false, code: answer.code ?? `http_${response.status}`, detail: answer.detail ?? null, field: answer.field, said: answer };
  } catch {
    return { ok: false, code: "unreachable", detail: null };
  }
}

export const postAction = (call: string, action: string, body: object): Promise<Done<unknown>> =>
  post(`/api/calls/${encodeURIComponent(call)}/${action}`, body);

export interface DialRequest {
  to: string;
  extension: string;
  connection_id?: string;
}

/** The key makes a repeated attempt the same attempt: nobody is called twice. */
export const postDial = (request: DialRequest, key: string): Promise<Done<DialView>> =>
  post<DialView>("/api/calls", request, { "idempotency-key": key });

// ---- contact moments and tasks; an older server knows none of these -----------------

export const getWorkSettings = (): Promise<Answer<WorkSettings>> => get<WorkSettings>("/api/work-settings");
const momentPath = (id: string, rest = ""): string => `/api/contact-moments/${encodeURIComponent(id)}${rest}`;
export const getMoment = (id: string): Promise<Answer<MomentItem>> => get<MomentItem>(momentPath(id));
export const getMoments = (query: Record<string, string>): Promise<Answer<MomentItem[]>> =>
  get<MomentItem[]>(`/api/contact-moments?${new URLSearchParams(query).toString()}`);
export const patchMoment = (id: string, body: object): Promise<Done<Moment>> => send<Moment>("PATCH", momentPath(id), body);
export const postDisposition = (id: string, body: object): Promise<Done<{ contact_moment: MomentItem; task: Task | null }>> =>
  post(momentPath(id, "/disposition"), body);
export const putContact = (id: string, body: { contact_id: string | null; remember?: boolean }): Promise<Done<MomentItem>> =>
  send<MomentItem>("PUT", momentPath(id, "/contact"), body);
export const postContact = (id: string, body: object): Promise<Done<unknown>> => post(momentPath(id, "/contact"), body);
export const postWrapUp = (id: string, until: string | null): Promise<Done<Moment>> => post<Moment>(momentPath(id, "/wrap-up"), { until });

export const getTasks = (query: Record<string, string>): Promise<Answer<Task[]>> =>
  get<Task[]>(`/api/tasks?${new URLSearchParams(query).toString()}`);
export const getTask = (id: string): Promise<Answer<Task>> => get<Task>(`/api/tasks/${encodeURIComponent(id)}`);
export const postTask = (body: object): Promise<Done<Task>> => post<Task>("/api/tasks", body);
export const actOnTask = (id: string, action: string, body: object): Promise<Done<Task>> =>
  post<Task>(`/api/tasks/${encodeURIComponent(id)}/${action}`, body);
export const getAgents = (): Promise<Answer<AgentRow[]>> => get<AgentRow[]>("/api/agents?limit=100");

export async function postSignOut(): Promise<boolean> {
  try {
    return (await fetch("/sign-out", { method: "POST", redirect: "manual" })).status < 400;
  } catch {
    return false;
  }
}
