// The stand-in's part for the work after a call: contact moments, what is set for them, and tasks.
// `work: null` is a server from before there were any: its routes are unknown, its calls bare.

import { randomUUID } from "node:crypto";
import { iso } from "./mock-data.mjs";

export const ADA = { id: "0193a0c0-0000-7000-8000-0000000000a1", name: "Agent Ada", active: true };
export const GRACE = { id: "0193a0c0-0000-7000-8000-0000000000a2", name: "Agent Grace", active: true };

const BUILT_IN = [
  ["resolved", "Resolved", null], ["callback", "Call back", "terugbelverzoek"], ["escalated", "Escalated", "opvolgtaak"],
  ["wrong-number", "Wrong number", null], ["no-answer", "No answer", null], ["abandoned", "Abandoned", null],
].map(([code, label, task]) => ({ code, label, task }));

export const workState = ({ agent = ADA, scopes = ["all"], settings = {}, tasks = [] } = {}) => ({
  agent,
  scopes,
  settings: {
    outcomes: [], built_in_outcomes: BUILT_IN, escalation_queue: "second-line", wrap_up_seconds: 90, screen_pop_enabled: true,
    screen_pop_delay_ms: 0, click_to_dial_enabled: true,
    hours: { time_zone: "Europe/Amsterdam", open: [{ days: [1, 2, 3, 4, 5, 6, 7], from: "08:00:00", to: "17:00:00" }], holidays: [] },
    ...settings,
  },
  moments: new Map(),
  tasks: new Map(tasks.map((t) => [t.id, t])),
  /** Everything that was sent to change something: method, path below /api, body. */
  asked: [],
  /** The answer to the next such requests whose path ends like this. */
  refuse: {},
});

/** Calls of before the test: somebody has long said what they were about. */
export function allCompleted(work, calls) {
  for (const call of calls) {
    if (!call.answered_at && call.status !== "voicemail") continue;
    const outcome = call.status === "voicemail" ? "callback" : "resolved";
    work.moments.set(call.id, { ...fresh(), version: 2, subject: "Question about a permit", outcome, completed_at: call.ended_at, completed_by: by(work) });
  }
}

const fresh = () => ({ version: 0, subject: null, outcome: null, notes: null, edited_at: null, completed_at: null, completed_by: null, task_id: null, wrap_up_until: null });
const by = (work) => ({ kind: "agent", id: work.agent?.id ?? null, name: work.agent?.name ?? null });

/** What a call says of its contact moment as long as nobody has said anything. */
function reading(call) {
  const done = (outcome) => ["completed", outcome, null];
  const asks = (suggested) => ["disposition-pending", null, suggested];
  if (["ringing", "active", "held"].includes(call.status)) return ["pending", null, null];
  if (call.direction === "internal") return done(null);
  if (call.direction === "outbound") return call.answered_at ? asks(null) : call.rang_at ? asks("no-answer") : done("no-answer");
  if (call.status === "voicemail") return asks("callback");
  if (call.status === "missed") return done("abandoned");
  return call.status === "rejected" ? done(null) : asks(null);
}

export function momentOf(work, call) {
  const kept = work.moments.get(call.id) ?? fresh();
  const [status, outcome, suggested] = reading(call);
  const closed = kept.completed_at !== null;
  const over = status === "completed" && !closed;
  return {
    id: call.id, ...kept, status: closed ? "completed" : status, outcome: kept.outcome ?? outcome, suggested_outcome: closed ? null : suggested,
    completed_at: kept.completed_at ?? (over ? call.ended_at : null), completed_by: kept.completed_by ?? (over ? { kind: "system", id: null, name: null } : null),
  };
}

/** The call as this server gives it out. */
export const dressed = (work, call) => (work && call ? { ...call, agent: call.agent && { ...call.agent, id: idOf(call.agent) }, contact_moment: momentOf(work, call) } : call);
const idOf = (agent) => agent.id ?? [ADA, GRACE].find((a) => a.name === agent.name)?.id ?? null;

/** One task as the contract has it. Whoever is given one has not begun: it is open until claimed. */
export function task(more = {}) {
  const at = iso(Date.now());
  return {
    id: randomUUID(), version: 1, type: "terugbelverzoek", status: "open", priority: "normaal", subject: "Call back", description: null, deadline: null,
    assignee: null, queue: null, contact: null, call_id: null, callback_number: null, callback_display: null, preferred_from: null, preferred_to: null,
    source: "hand", attempts: [], suggest_close: false, created_at: at, created_by: { kind: "agent", id: GRACE.id, name: GRACE.name }, updated_at: at,
    completed_at: null, completed_by: null, result: null, ...more,
  };
}

const fits = (work, q, one) => {
  const states = q.getAll("status").flatMap((s) => s.split(",")).filter(Boolean);
  const assignee = q.get("assignee");
  if (states.length > 0 && !states.includes(one.status)) return false;
  if (assignee === "me") return one.assignee?.id === work.agent?.id;
  return assignee === "none" ? one.assignee === null : !assignee || one.assignee?.id === assignee;
};

const page = (data) => [200, data, { limit: 50, offset: 0, total: data.length, has_more: false, next_cursor: null }];
const conflict = (detail) => [409, { code: "conflict", detail }];
const unknown = [404, { code: "route_not_found", detail: "There is no such thing." }];

/** Answers what belongs to the work; null for everything else. `[status, data or problem, pagination]`. */
export function doWork(mock, method, url, body) {
  const work = mock.state.work;
  const path = url.pathname.replace(/^\/api/, "");
  if (!/^\/(work-settings|contact-moments|tasks|agents)(\/|$)/.test(path)) return null;
  if (!work) return unknown;
  if (method !== "GET") {
    work.asked.push({ method, path, body });
    const no = Object.entries(work.refuse).find(([end]) => path.endsWith(end))?.[1];
    if (no) return [no.status, no];
  }
  if (path === "/work-settings") return [200, work.settings];
  if (path === "/agents") return page([ADA, GRACE]);
  const [, kind, id, action] = path.split("/");
  return kind === "tasks" ? ofTasks(mock, work, method, url, id, action, body) : ofMoments(mock, work, method, url, id, action, body);
}

const itemOf = (work, call) => ({ ...momentOf(work, call), call: dressed(work, call) });

function ofMoments(mock, work, method, url, id, action, body) {
  if (!id) {
    const rows = [...mock.calls.values()].map((call) => itemOf(work, call));
    const q = url.searchParams;
    return page(rows.filter((r) => (!q.get("status") || r.status === q.get("status")) && (q.get("mine") !== "true" || r.call.agent?.id === work.agent?.id)));
  }
  const call = mock.calls.get(id);
  if (!call) return unknown;
  const kept = work.moments.get(id) ?? fresh();
  const put = (change) => work.moments.set(id, { ...kept, ...change, version: kept.version + 1 });
  if (method === "GET") return [200, { ...itemOf(work, call), task: work.tasks.get(kept.task_id) ?? null }];
  if (body.version !== undefined && body.version !== kept.version) return conflict(`The contact moment has version ${kept.version}.`);
  const text = { subject: body.subject ?? null, outcome: body.outcome ?? null, notes: body.notes ?? null };
  if (method === "PATCH") {
    if (kept.completed_at) return conflict("The contact moment is completed.");
    put({ ...text, edited_at: iso(Date.now()) });
    return [200, momentOf(work, call)];
  }
  if (action === "wrap-up") {
    put({ wrap_up_until: body.until });
    return [200, momentOf(work, call)];
  }
  if (action === "contact") {
    const match = method === "POST" ? { id: randomUUID(), name: body.name, organisation: body.organisation ?? null } : work.known?.find((m) => m.id === body.contact_id);
    call.contact = match ? { certainty: "certain", percent: 100, why: "chosen by an agent", total: 1, ...match } : null;
    put({});
    mock.emit("call.updated", structuredClone(call));
    return [method === "POST" ? 201 : 200, itemOf(work, call)];
  }
  const kind = [...BUILT_IN, ...work.settings.outcomes].find((o) => o.code === body.outcome)?.task ?? null;
  const made = kind && !kept.task_id ? madeOf(work, kind, { subject: body.subject, call_id: id, source: "disposition", contact: call.contact && { id: call.contact.id, name: call.contact.name }, queue: kind === "opvolgtaak" ? work.settings.escalation_queue : null, ...body.task }) : null;
  put({ ...text, completed_at: iso(Date.now()), completed_by: by(work), task_id: made?.id ?? kept.task_id });
  mock.emit("contact_moment.completed", structuredClone(call), { contact_moment: momentOf(work, call) });
  if (made) mock.emit("task.created", null, { task: made });
  return [200, { contact_moment: itemOf(work, call), task: made }];
}

function madeOf(work, type, { assignee_agent_id: agent, ...asked }) {
  const one = [ADA, GRACE].find((a) => a.id === agent);
  const made = task({ ...asked, type, assignee: one ? { id: one.id, name: one.name } : null, created_by: by(work), callback_display: asked.callback_number ?? null });
  work.tasks.set(made.id, made);
  return made;
}

function ofTasks(mock, work, method, url, id, action, body) {
  if (!id && method === "GET") return page([...work.tasks.values()].filter((one) => fits(work, url.searchParams, one)));
  if (!id) {
    const made = madeOf(work, body.type, body);
    mock.emit("task.created", null, { task: made });
    return [201, made];
  }
  const one = work.tasks.get(id);
  if (!one) return unknown;
  if (method === "GET") return [200, one];
  if (action === "claim" && one.assignee && one.assignee.id !== work.agent?.id) return conflict("This task has already been claimed.");
  const who = (agent) => [ADA, GRACE].filter((a) => a.id === agent).map((a) => ({ id: a.id, name: a.name }))[0] ?? null;
  const change = {
    claim: () => ({ assignee: who(work.agent?.id), status: "in_behandeling" }),
    release: () => ({ assignee: null, status: "open" }),
    assign: () => ({ assignee: who(body.agent_id), queue: body.queue === undefined ? one.queue : body.queue, status: "open" }),
    attempts: () => ({ attempts: [...one.attempts, { at: iso(Date.now()), result: body.result, notes: body.notes ?? null, by: by(work) }], suggest_close: one.attempts.length >= 2 }),
    complete: () => ({ status: "afgerond", completed_at: iso(Date.now()), completed_by: by(work), result: body.result ?? null }),
    reopen: () => ({ status: one.assignee ? "in_behandeling" : "open", completed_at: null, completed_by: null, result: null }),
  }[action]?.();
  if (!change) return unknown;
  Object.assign(one, change, { version: one.version + 1, updated_at: iso(Date.now()) });
  mock.emit("task.updated", null, { task: one });
  return [200, one];
}

/** A day's tasks: overdue, today, later, unassigned, and one that is done. */
export function someTasks(now) {
  const min = 60_000;
  const ada = { id: ADA.id, name: ADA.name };
  return [
    task({ subject: "Letter of 9 November", priority: "hoog", deadline: iso(now - 32 * min), assignee: ada, status: "in_behandeling", contact: { id: "c1", name: "Dhr. P. Smit" }, callback_number: "+31633334444", callback_display: "+31 6 33334444", description: "Asks for the second page of the letter.", attempts: [{ at: iso(now - 180 * min), result: "geen_gehoor", notes: null, by: { kind: "agent", id: ADA.id, name: ADA.name } }, { at: iso(now - 90 * min), result: "voicemail", notes: "left our number", by: { kind: "agent", id: GRACE.id, name: GRACE.name } }] }),
    task({ subject: "Passport: evening slot to collect", deadline: iso(now + 28 * min), assignee: ada, status: "in_behandeling", contact: { id: "c2", name: "Mevrouw A. (Anneke) Jansen" }, callback_number: "+31612345678", callback_display: "+31 6 12345678", preferred_from: iso(now + 5 * min), preferred_to: iso(now + 28 * min) }),
    task({ subject: "Which forms for a birth abroad?", type: "informatievraag", priority: "laag", deadline: iso(now + 28 * min), assignee: ada, status: "in_behandeling" }),
    task({ subject: "Check parking permit for carer", type: "opvolgtaak", deadline: iso(now + 3 * 1440 * min), assignee: { id: GRACE.id, name: GRACE.name }, status: "in_behandeling" }),
    task({ subject: "Terrace permit, after committee", deadline: iso(now + 6 * 1440 * min), queue: "Omgevingsloket", contact: { id: "c3", name: "Bakkerij Van der Veen" }, callback_number: "+31787705263", callback_display: "+31 78 7705263" }),
    task({ subject: "Road closed on Sunday: whom to tell", type: "opvolgtaak", queue: "Belastingen" }),
    task({ subject: "Moved house, asked for the form", deadline: iso(now - 60 * min), assignee: ada, status: "afgerond", completed_at: iso(now - 20 * min), completed_by: { kind: "agent", id: ADA.id, name: ADA.name }, result: "Sent by e-mail." }),
  ];
}
