// Builds calls exactly as the wire contract has them. Development and tests only.

import { randomUUID } from "node:crypto";

export const iso = (ms) => new Date(ms).toISOString();

export function party(number, name = null, kind = "public") {
  if (kind === "withheld") return { number: null, raw: null, kind, display: null, name: null };
  const display = number?.startsWith("+316") ? `+31 6 ${number.slice(4)}` : number?.startsWith("+31") ? `+31 ${number.slice(3, 5)} ${number.slice(5, 8)} ${number.slice(8, 10)} ${number.slice(10)}` : number;
  return { number, raw: number?.startsWith("+31") ? `0${number.slice(3)}` : number, kind, display, name };
}

export function contact(name, more = {}) {
  return {
    id: randomUUID(),
    name,
    organisation: null,
    certainty: "certain",
    percent: 100,
    why: "the number is their mobile",
    total: 1,
    ...more,
  };
}

export function leg(extension, name, at, more = {}) {
  return {
    id: `PJSIP/${extension}-0000002a`,
    kind: "agent",
    extension,
    user_id: null,
    name,
    number: null,
    started_at: iso(at),
    rang_at: iso(at),
    answered_at: null,
    ended_at: null,
    end_cause: null,
    hangup_cause: null,
    ...more,
  };
}

/** A ringing inbound call; `more` replaces anything. */
export function call(at, more = {}) {
  const from = more.from === undefined ? party("+31612345678") : more.from;
  const to = more.to === undefined ? party("+31201234567", "Front desk") : more.to;
  return {
    id: randomUUID(),
    platform: "asterisk",
    connection_id: "0193a0c0-0000-7000-8000-000000000001",
    external_call_id: `${Math.floor(at / 1000)}.0`,
    dialpad_call_id: null,
    dialpad_user_id: null,
    direction: "inbound",
    status: "ringing",
    from_number: from?.number ?? null,
    to_number: to?.number ?? null,
    from,
    to,
    agent: { id: null, extension: "100", user_id: null, email: null, name: "Agent Ada" },
    queue: "support",
    contact: null,
    started_at: iso(at - 300),
    rang_at: iso(at),
    answered_at: null,
    ended_at: null,
    created_at: iso(at),
    updated_at: iso(at),
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
    legs: [leg("100", "Agent Ada", at)],
    missing: [],
    merged_into: null,
    ...more,
  };
}

/** A finished call of earlier today. */
export function finished(at, seconds, more = {}) {
  const rang = 6;
  const answered = more.status === undefined || more.status === "ended";
  const end = at + (rang + seconds) * 1000;
  return call(at, {
    status: "ended",
    answered_at: answered ? iso(at + rang * 1000) : null,
    ended_at: iso(end),
    updated_at: iso(end),
    ring_seconds: answered ? rang : seconds,
    duration_seconds: answered ? seconds : 0,
    end_cause: answered ? "normal" : "no_answer",
    hangup_cause: answered ? 16 : 19,
    ended_by: answered ? "remote" : "system",
    legs: [
      leg("100", "Agent Ada", at, {
        answered_at: answered ? iso(at + rang * 1000) : null,
        ended_at: iso(end),
        end_cause: answered ? "normal" : "no_answer",
        hangup_cause: answered ? 16 : 19,
      }),
    ],
    ...more,
  });
}

/** A morning of calls, newest first. */
export function history(now) {
  const min = 60_000;
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const rows = [
    [11, 188, { contact: contact("De heer M. El Amrani"), from: party("+31611112222") }],
    [24, 24, { status: "missed", from: party("+31687654321"), agent: null, queue: "billing" }],
    [37, 31, { direction: "outbound", from: party("+31201234567"), to: party("+31787703186"), contact: contact("Huisartsenpraktijk Oost"), queue: null }],
    [55, 472, { contact: contact("Bakkerij Van der Veen"), from: party("+31787705263"), platform: "dialpad" }],
    [74, 137, { contact: contact("Mevrouw C. de Boer-Visser"), from: party("+31622223333") }],
    [106, 38, { status: "voicemail", contact: contact("Dhr. P. Smit"), from: party("+31633334444"), voicemail: { id: "v1", url: "https://voicemail.example/1", transcript: "… about the letter of 9 November …", duration_seconds: 38 } }],
    [119, 19, { from: party(null, null, "withheld") }],
    [135, 284, { direction: "outbound", from: party("+31201234567"), to: party("+31207654321"), contact: contact("Notariskantoor Van Leeuwen"), queue: null }],
    [161, 18, { status: "missed", contact: contact("Mevrouw S. Özdemir", { organisation: "Özdemir Bouw" }), from: party("+31644445555") }],
    [174, 12, { status: "rejected", from: party("+31655556666"), end_cause: "rejected", hangup_cause: 21 }],
    [190, 175, { contact: contact("Schildersbedrijf Kok en Zn."), from: party("+31787704410") }],
    [221, 66, { direction: "internal", from: party("101", "Agent Grace", "extension"), to: party("100", "Agent Ada", "extension"), queue: null }],
  ];
  return rows.map(([ago, seconds, more]) => finished(Math.max(midnight + 1000, now - ago * min), seconds, more));
}
