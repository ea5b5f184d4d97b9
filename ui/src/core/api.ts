// The few REST calls of this page. An answer is a value, never an exception.

import type { Call, EventFrame, Me } from "./types";

export type Answer<T> = { ok: true; data: T; total: number; cursor: string | null } | { ok: false; status: number };

const TIMEOUT_MS = 10_000;

async function get<T>(path: string): Promise<Answer<T>> {
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

export async function postSignOut(): Promise<boolean> {
  try {
    return (await fetch("/sign-out", { method: "POST", redirect: "manual" })).status < 400;
  } catch {
    return false;
  }
}
