// The stand-in's side of commanding: what can be done to a call, doing it, and placing calls.

import { call as newCall, contact, iso, party } from "./mock-data.mjs";
import { answer, end, hold, resume } from "./mock-script.mjs";

const ACTIONS = ["answer", "hangup", "reject", "hold", "resume", "transfer", "dtmf", "mute", "unmute", "park", "recording"];

export const CONNECTION = { id: "0193a0c0-0000-7000-8000-000000000001", platform: "asterisk", name: "Merwedal PBX", places_calls: true, why_not: null, actions: [] };
export const DIALPAD = { id: "0193a0c0-0000-7000-8000-000000000002", platform: "dialpad", name: "Dialpad", places_calls: true, why_not: null, actions: [] };

/** What tests may set: what the platform lacks, what is not possible now, what is refused. */
export const commandState = () => ({ lacks: {}, notNow: {}, kinds: undefined, refuse: {}, refuseDial: null, silent: false, connections: [CONNECTION], asked: [] });

export function actionsOf(state) {
  return ACTIONS.map((action) => {
    if (action in state.lacks) return { action, possible: false, code: "not_supported", reason: state.lacks[action] };
    if (action in state.notNow) return { action, possible: false, code: "call_state", reason: state.notNow[action] };
    return { action, possible: true, ...(action === "transfer" && state.kinds ? { kinds: state.kinds } : {}) };
  });
}

/** Does it to the call; the event is what the page sees. */
export function carryOut(mock, call, action, body) {
  const did = { answer: [answer, "call.started"], hold: [hold, "call.held"], resume: [resume, "call.resumed"] }[action];
  if (did) {
    did[0](call);
    mock.emit(did[1], call);
  } else if (action === "hangup" || action === "reject") {
    end(call, action === "reject" ? { status: "rejected", end_cause: "rejected" } : { ended_by: "agent" });
    mock.emit(action === "reject" ? "call.rejected" : "call.ended", call);
  } else if (action === "transfer") {
    call.transfers.push({ at: iso(Date.now()), kind: body.kind, from: "100", to: body.to });
    mock.emit("call.transferred", call);
  }
}

/** The pending call, as it stands before the platform has spoken of it. */
export const pending = (to, extension) =>
  newCall(Date.now(), {
    direction: "outbound",
    from: party("+31201234567"),
    to: party(to),
    contact: to === "+31687654321" ? contact("Dhr. Ruben de Waal") : null,
    queue: null,
    agent: { id: null, extension, user_id: null, email: null, name: "Agent Ada" },
    legs: [],
  });
