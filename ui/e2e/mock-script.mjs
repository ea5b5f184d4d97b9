// The scripted day: each kind of call once, then again.

import { call, contact, iso, leg, party } from "./mock-data.mjs";

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

export function answer(c) {
  const at = iso(Date.now());
  c.status = "active";
  c.answered_at = at;
  c.ring_seconds = Math.round((Date.now() - Date.parse(c.rang_at)) / 1000);
  if (c.legs[0]) c.legs[0].answered_at = at;
  for (const other of c.legs.slice(1)) {
    other.ended_at = at;
    other.end_cause = "cancelled";
  }
}

export function hold(c) {
  c.status = "held";
  c.holds.push({ from: iso(Date.now()), to: null });
}

export function resume(c) {
  c.status = "active";
  const open = c.holds.at(-1);
  if (open) {
    open.to = iso(Date.now());
    c.hold_seconds += Math.round((Date.now() - Date.parse(open.from)) / 1000);
  }
}

export function end(c, more = {}) {
  const now = Date.now();
  c.ended_at = iso(now);
  c.status = c.answered_at ? "ended" : "missed";
  c.duration_seconds = c.answered_at ? Math.round((now - Date.parse(c.answered_at)) / 1000) : 0;
  c.ring_seconds ??= Math.round((now - Date.parse(c.rang_at)) / 1000);
  c.end_cause = c.answered_at ? "normal" : "no_answer";
  c.hangup_cause = c.answered_at ? 16 : 19;
  c.ended_by = "remote";
  for (const l of c.legs) {
    l.ended_at ??= iso(now);
    l.end_cause ??= c.end_cause;
  }
  Object.assign(c, more);
}

export const jansen = (now) => {
  const c = call(now, { contact: contact("Mevrouw A. (Anneke) Jansen", { organisation: "Bewonersvereniging Havenkade" }), queue: "Burgerzaken" });
  c.legs.push(leg("101", "Fatima Benali", now), leg("102", "Joost de Wit", now));
  return c;
};

export const deWaal = (now) => {
  const c = call(now, { from: party("+31787704410"), queue: "Omgevingsloket", platform: "dialpad", contact: contact("Dhr. Ruben de Waal", { organisation: "Bouwbedrijf De Waal B.V.", certainty: "likely", percent: 88, why: "work number, called about permit OLO-5521 on Friday", total: 3 }) });
  const matches = [
    c.contact,
    contact("Mevr. Chantal Bos", { organisation: "Bouwbedrijf De Waal B.V.", certainty: "possible", percent: 61, why: "work number, calls mostly about invoices" }),
    contact("Bouwbedrijf De Waal B.V.", { certainty: "fallback", percent: 40, why: "main number of the organisation" }),
  ];
  return { c, pop: { action: "chooser", matches, total: 3 } };
};

export const unknown = (now) => call(now, { from: party("+31687654321"), queue: "Belastingen" });

export async function play(mock) {
  while (mock.listeners() === 0) await wait(200); // Nobody looks: the first call waits.
  for (;;) {
    const first = mock.ring(jansen(Date.now()));
    await wait(5_000);
    answer(first);
    mock.emit("call.started", first);
    await wait(4_000);
    const { c: second, pop } = deWaal(Date.now());
    mock.ring(second, pop);
    await wait(3_000);
    hold(first);
    mock.emit("call.held", first);
    await wait(2_000);
    answer(second);
    mock.emit("call.started", second);
    await wait(8_000);
    end(second);
    mock.emit("call.ended", second);
    await wait(2_000);
    resume(first);
    mock.emit("call.resumed", first);
    await wait(4_000);
    end(first);
    mock.emit("call.ended", first);
    await wait(5_000);
    const third = mock.ring(unknown(Date.now()));
    await wait(9_000);
    end(third);
    mock.emit("call.missed", third);
    await wait(7_000);
  }
}
