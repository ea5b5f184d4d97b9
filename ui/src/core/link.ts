// The socket: opens, resumes, notices silence, comes back. Knows nothing about calls.
// Time, chance and the socket come from outside, so that tests run without waiting.

import { Clock } from "./clock";
import { backoff } from "./backoff";
import type { Frame } from "./types";

export const PING_MS = 10_000;
export const SILENCE_MS = 25_000;
export const OFFLINE_MS = 30_000;
/** Short losses heal without a word. */
export const QUIET_MS = 2_000;
/** Longest wait for the replayed events before the page calls itself live. */
const CATCH_UP_MS = 1_500;
/** A connection must hold this long before its failures are forgotten. */
const STEADY_MS = 10_000;

export type StopReason = "signed-out" | "inactive" | "closed";
export type Phase = "connecting" | "catching-up" | "live" | "waiting" | "stopped";

export interface LinkStatus {
  phase: Phase;
  /** When the last live connection was lost; null while live or before the first one. */
  lostAt: number | null;
  /** Tries since then. */
  attempt: number;
  stopped: StopReason | null;
}

export interface SocketLike {
  send(text: string): void;
  close(code?: number): void;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
}

export interface LinkEnv {
  open(query: string): SocketLike;
  now(): number;
  after(ms: number, run: () => void): () => void;
  random(): number;
}

export interface LinkHost {
  /** Where to resume, or null to start with a snapshot. */
  position(): { seq: number; epoch: string } | null;
  /** Applies a frame; “gap” asks for a reconnect after the last known event. */
  frame(frame: Frame): "applied" | "dropped" | "gap";
  status(status: LinkStatus): void;
  /** The handshake was refused: the browser does not say why, the host may ask the API. */
  refused(): void;
}

export class Link {
  readonly clock = new Clock();
  private socket: SocketLike | null = null;
  private timers = new Map<string, () => void>();
  private status: LinkStatus = { phase: "connecting", lostAt: null, attempt: 0, stopped: null };
  private failures = 0;
  private lastFrame = 0;
  private pingSent = 0;
  private target = 0;
  private everLive = false;

  constructor(
    private readonly env: LinkEnv,
    private readonly host: LinkHost,
  ) {}

  start(): void {
    this.set({ phase: "connecting", stopped: null });
    this.connect();
  }

  stop(reason: StopReason): void {
    this.drop();
    this.set({ phase: "stopped", stopped: reason });
  }

  /** The page woke up, the network is back or somebody pressed “Now”. */
  poke(): void {
    if (this.status.phase === "stopped") return;
    if (this.status.phase === "waiting") this.connect();
    else if (this.socket && this.env.now() - this.lastFrame > SILENCE_MS) this.lost(1006);
    else this.ping();
  }

  private connect(): void {
    this.drop();
    const at = this.host.position();
    const query = at ? `?after=${at.seq}&epoch=${encodeURIComponent(at.epoch)}` : "";
    if (this.status.lostAt !== null) this.set({ phase: "connecting", attempt: this.status.attempt + 1 });
    this.lastFrame = this.env.now();
    let greeted = false;
    const socket = this.env.open(query);
    this.socket = socket;
    socket.onmessage = (event) => {
      if (socket !== this.socket || typeof event.data !== "string") return;
      greeted = true;
      this.receive(event.data);
    };
    socket.onclose = (event) => {
      if (socket !== this.socket) return;
      if (!greeted && event.code === 1006) this.host.refused();
      if (socket === this.socket) this.lost(event.code);
    };
    this.watchSilence();
  }

  private receive(text: string): void {
    let frame: Frame;
    try {
      frame = JSON.parse(text) as Frame;
    } catch {
      return; // Not ours to guess at; the silence watch catches a server that only talks nonsense.
    }
    const now = this.env.now();
    this.lastFrame = now;
    if (frame.type === "hello") {
      this.clock.pushed(now, Date.parse(frame.server_time));
      this.target = frame.seq;
      this.set({ phase: "catching-up" });
      this.timer("catch-up", CATCH_UP_MS, () => frame.recovered && this.caughtUp());
      this.ping();
    }
    if (frame.type === "pong") this.clock.sample(this.pingSent, now, Date.parse(frame.server_time));
    if (this.host.frame(frame) === "gap") {
      this.failures += 1;
      this.restart(backoff(this.failures - 1, this.env.random()));
      return;
    }
    if (this.status.phase === "catching-up" && frame.type !== "pong") {
      const at = this.host.position();
      if (frame.type === "snapshot" || (at && at.seq >= this.target)) this.caughtUp();
    }
  }

  private caughtUp(): void {
    this.everLive = true;
    this.clear("catch-up");
    this.set({ phase: "live", lostAt: null, attempt: 0 });
    this.timer("steady", STEADY_MS, () => {
      this.failures = 0;
    });
  }

  private lost(code: number): void {
    this.drop();
    if (code === 4401) return this.stop("signed-out");
    if (code === 4403) return this.stop("inactive");
    this.failures += 1;
    // 4408: we were too slow, the server still has the events; ask for them at once.
    this.restart(code === 4408 ? 0 : backoff(this.failures - 1, this.env.random()));
  }

  private restart(delay: number): void {
    this.drop();
    const lostAt = this.status.lostAt ?? (this.everLive ? this.env.now() : null);
    this.set({ phase: "waiting", lostAt });
    this.timer("retry", delay, () => this.connect());
  }

  private ping(): void {
    if (this.status.phase === "waiting" || !this.socket) return;
    this.pingSent = this.env.now();
    try {
      this.socket.send('{"type":"ping"}');
    } catch {
      // Still opening or already closing: the next close or the silence watch decides.
    }
    this.timer("ping", PING_MS, () => this.ping());
  }

  private watchSilence(): void {
    this.timer("silence", SILENCE_MS, () => {
      if (this.env.now() - this.lastFrame >= SILENCE_MS) this.lost(1006);
      else this.watchSilence();
    });
  }

  private drop(): void {
    for (const cancel of this.timers.values()) cancel();
    this.timers.clear();
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  private timer(name: string, ms: number, run: () => void): void {
    this.clear(name);
    this.timers.set(name, this.env.after(ms, run));
  }

  private clear(name: string): void {
    this.timers.get(name)?.();
    this.timers.delete(name);
  }

  private set(change: Partial<LinkStatus>): void {
    this.status = { ...this.status, ...change };
    this.host.status(this.status);
  }
}

export type LinkView = "connecting" | "live" | "reconnecting" | "offline" | "catching-up" | "stopped";

/** The word for the top bar. */
export function linkView(status: LinkStatus, now: number): LinkView {
  if (status.phase === "stopped" || status.phase === "live") return status.phase;
  if (status.phase === "catching-up") return "catching-up";
  if (status.lostAt === null) return status.phase === "waiting" ? "reconnecting" : "connecting";
  return now - status.lostAt >= OFFLINE_MS ? "offline" : "reconnecting";
}

/** Whether the loss has lasted long enough to say so and to mark the cards as last known. */
export const isStale = (status: LinkStatus, now: number): boolean =>
  status.lostAt !== null && now - status.lostAt >= QUIET_MS;
