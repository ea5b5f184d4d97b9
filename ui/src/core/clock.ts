// The offset between this device and the server. Timers count in the server's time,
// because a laptop that is two minutes fast would show a call ringing since tomorrow.

/** After this long a sample is old: clocks drift, and a laptop may have slept. */
const SAMPLE_LIFE_MS = 5 * 60_000;

export class Clock {
  private offset = 0;
  private rtt = Number.POSITIVE_INFINITY;
  private takenAt = 0;

  /** `sent` and `received` on this device, `server` in between. The shortest trip is the truest. */
  sample(sent: number, received: number, server: number): void {
    if (!Number.isFinite(server)) return;
    const rtt = Math.max(0, received - sent);
    const old = received - this.takenAt > SAMPLE_LIFE_MS || received < this.takenAt;
    if (!old && rtt > this.rtt) return;
    this.offset = server - (sent + received) / 2;
    this.rtt = rtt;
    this.takenAt = received;
  }

  /** A push without a question: the trip is unknown, so any answered ping replaces it. */
  pushed(received: number, server: number): void {
    this.sample(received - 2_000, received, server - 1_000);
  }

  toServer(local: number): number {
    return local + this.offset;
  }
}

/** Whole seconds since a moment; never negative, because clocks disagree by a little. */
export function elapsed(since: number, now: number): number {
  return Math.max(0, Math.floor((now - since) / 1000));
}

/** 7 → “0:07”, 3723 → “1:02:03”. */
export function duration(seconds: number): string {
  const total = Math.max(0, Math.floor(seconds));
  const h = Math.floor(total / 3600);
  const m = Math.floor((total % 3600) / 60);
  const s = String(total % 60).padStart(2, "0");
  return h > 0 ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
}

/** “PT1H2M3S” for <time datetime>. */
export function isoDuration(seconds: number): string {
  return `PT${Math.max(0, Math.floor(seconds))}S`;
}

export function startOfDay(now: number): number {
  const day = new Date(now);
  day.setHours(0, 0, 0, 0);
  return day.getTime();
}
