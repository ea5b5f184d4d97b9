import { beforeEach, describe, expect, it } from "vitest";
import { backoff } from "./backoff";
import { event, hello, snapshot } from "./fixtures";
import { isStale, Link, linkView, OFFLINE_MS, PING_MS, QUIET_MS, SILENCE_MS, type LinkStatus, type SocketLike } from "./link";
import { apply, emptyState, type State } from "./state";
import type { Frame } from "./types";

class FakeSocket implements SocketLike {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  sent: string[] = [];
  closed = false;
  constructor(readonly query: string) {}
  send(text: string): void {
    this.sent.push(text);
  }
  close(): void {
    this.closed = true;
  }
  says(frame: Frame): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

let now = 0;
let timers: { at: number; run: () => void }[] = [];
let sockets: FakeSocket[] = [];
let state: State;
let status: LinkStatus;
let refused = 0;
let link: Link;

function pass(ms: number): void {
  const until = now + ms;
  for (;;) {
    const next = timers.filter((t) => t.at <= until).sort((a, b) => a.at - b.at)[0];
    if (!next) break;
    timers = timers.filter((t) => t !== next);
    now = next.at;
    next.run();
  }
  now = until;
}

const last = (): FakeSocket => sockets[sockets.length - 1] as FakeSocket;

function goLive(): void {
  link.start();
  last().says(hello({ seq: 5 }));
  last().says(snapshot(5, []));
}

beforeEach(() => {
  now = 1_000_000;
  timers = [];
  sockets = [];
  refused = 0;
  state = emptyState();
  link = new Link(
    {
      open: (query) => {
        const socket = new FakeSocket(query);
        sockets.push(socket);
        return socket;
      },
      now: () => now,
      after: (ms, run) => {
        const timer = { at: now + ms, run };
        timers.push(timer);
        return () => {
          timers = timers.filter((t) => t !== timer);
        };
      },
      random: () => 0.5,
    },
    {
      position: () => (state.epoch && !state.awaitingSnapshot ? { seq: state.seq, epoch: state.epoch } : null),
      frame: (frame) => {
        const [next, outcome] = apply(state, frame, now);
        state = next;
        return outcome;
      },
      status: (next) => {
        status = next;
      },
      refused: () => {
        refused += 1;
      },
    },
  );
});

describe("the link", () => {
  it("becomes live with the snapshot", () => {
    link.start();
    expect(last().query).toBe("");
    expect(linkView(status, now)).toBe("connecting");
    last().says(hello({ seq: 5 }));
    expect(linkView(status, now)).toBe("catching-up");
    last().says(snapshot(5, []));
    expect(linkView(status, now)).toBe("live");
  });

  it("resumes after the last number and is live when the missing events are in", () => {
    goLive();
    last().onclose?.({ code: 1006 });
    expect(linkView(status, now)).toBe("reconnecting");
    pass(1_000);
    expect(last().query).toBe("?after=5&epoch=e1");
    last().says(hello({ seq: 7, recovered: true }));
    last().says(event(6, "presence.changed", null));
    expect(status.phase).toBe("catching-up");
    last().says(event(7, "presence.changed", null));
    expect(status.phase).toBe("live");
    expect(status.lostAt).toBeNull();
  });

  it("is live at once when nothing was missed, and soon when the last events were not for us", () => {
    goLive();
    last().onclose?.({ code: 1006 });
    pass(1_000);
    last().says(hello({ seq: 5, recovered: true }));
    expect(status.phase).toBe("live");
    last().onclose?.({ code: 1006 });
    pass(1_000);
    last().says(hello({ seq: 9, recovered: true }));
    pass(1_500);
    expect(status.phase).toBe("live");
  });

  it("reconnects with its position on a hole", () => {
    goLive();
    last().says(event(8, "presence.changed", null));
    expect(sockets[0]?.closed).toBe(true);
    pass(1_000);
    expect(sockets).toHaveLength(2);
    expect(last().query).toBe("?after=5&epoch=e1");
  });

  it("pings, and notices silence", () => {
    goLive();
    pass(PING_MS);
    expect(last().sent.filter((t) => t === '{"type":"ping"}').length).toBe(2);
    pass(SILENCE_MS);
    expect(status.lostAt).not.toBeNull();
  });

  it("stays quiet for two seconds, then stale, then offline", () => {
    goLive();
    last().onclose?.({ code: 1006 });
    const lost = now;
    expect(isStale(status, lost + QUIET_MS - 1)).toBe(false);
    expect(isStale(status, lost + QUIET_MS)).toBe(true);
    expect(linkView(status, lost + OFFLINE_MS - 1)).toBe("reconnecting");
    expect(linkView(status, lost + OFFLINE_MS)).toBe("offline");
  });

  it("counts tries and waits longer each time", () => {
    goLive();
    last().onclose?.({ code: 1006 });
    for (let i = 0; i < 3; i += 1) {
      pass(20_000);
      last().onclose?.({ code: 1006 });
    }
    expect(status.attempt).toBe(3);
    expect(refused).toBe(3);
  });

  it("comes back at once after 4408, and when poked", () => {
    goLive();
    last().onclose?.({ code: 4408 });
    pass(0);
    expect(sockets).toHaveLength(2);
    last().onclose?.({ code: 1006 });
    link.poke();
    expect(sockets).toHaveLength(3);
  });

  it("stops for good when the key is gone or the app is off", () => {
    goLive();
    last().onclose?.({ code: 4401 });
    expect(status.stopped).toBe("signed-out");
    pass(60_000);
    link.poke();
    expect(sockets).toHaveLength(1);
    link.start();
    last().onclose?.({ code: 4403 });
    expect(status.stopped).toBe("inactive");
  });

  it("ignores a socket that was given up", () => {
    goLive();
    const old = last();
    old.onclose?.({ code: 1006 });
    pass(1_000);
    old.says(event(6, "presence.changed", null));
    expect(state.seq).toBe(5);
  });
});

describe("backoff", () => {
  it("grows to its limit, half of it by chance", () => {
    expect(backoff(0, 0)).toBe(250);
    expect(backoff(0, 1)).toBe(500);
    expect(backoff(3, 1)).toBe(4_000);
    expect(backoff(30, 1)).toBe(15_000);
    expect(backoff(30, 0)).toBe(7_500);
  });
});
