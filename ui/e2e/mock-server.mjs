// A stand-in for the server that speaks the wire contract: for looking at states that a
// real server reaches rarely. `npm run mock` plays a day in fast motion on port 4000.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { dirname, extname, join, normalize } from "node:path";
import { randomUUID } from "node:crypto";
import { WebSocketServer } from "ws";
import { actionsOf, carryOut, commandState, pending } from "./mock-commands.mjs";
import { comeIn, entryState } from "./mock-entry.mjs";
import { history, iso } from "./mock-data.mjs";
import { play } from "./mock-script.mjs";
import { allCompleted, dressed, doWork, someTasks, workState } from "./mock-work.mjs";

const DIST = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" };
const LIVE = new Set(["ringing", "active", "held"]);

/** `strict`: a cookie per browser and a link that works once, as the real server has them. */
export async function startMock({ port = 0, signedIn = true, app = "Klantcontact", rows = history, strict = false, entry = null, work = null } = {}) {
  const epoch = randomUUID();
  const state = { signedIn, seq: 120, refuse: false, down: false, clock: null, appName: app, commands: commandState(), entry: entry && entryState(entry), work: work && workState(work) };
  /** Requests that wait, by the beginning of their path: see `holdBack`. */
  const held = new Map();
  let linkUsed = false;
  const allowed = (req) => state.signedIn && (!strict || /switchhook_session=mock/.test(req.headers.cookie ?? ""));
  const calls = new Map();
  const events = [];
  for (const row of rows(Date.now())) calls.set(row.id, row);
  if (state.work && rows === history) allCompleted(state.work, calls.values());

  /** What this function gives out; its parts are used by the others here. */
  const mock = { state, calls, emit };
  const json = (res, status, body) => {
    res.writeHead(status, { "content-type": "application/json", "content-security-policy": CSP });
    res.end(JSON.stringify(body));
  };
  const problem = (res, status, code, detail) =>
    json(res, status, { type: `/docs/errors/${code}`, title: code, status, code, detail, request_id: randomUUID(), success: false, error: code, message: detail });

  const server = createServer((req, res) => {
    const url = new URL(req.url ?? "/", "http://mock");
    const wait = [...held].find(([path]) => url.pathname.startsWith(path))?.[1];
    void Promise.resolve(wait).then(() => handle(req, res, url));
  });
  const serverTime = () => iso(state.clock ?? Date.now());

  async function handle(req, res, url) {
    if (url.pathname === "/sign-in") {
      const good = url.searchParams.get("token") === "good" && !(strict && linkUsed);
      linkUsed ||= good;
      state.signedIn ||= good;
      if (good) res.setHeader("set-cookie", "switchhook_session=mock; HttpOnly; SameSite=Lax");
      res.writeHead(303, { location: good ? "/" : "/?link=expired" });
      return res.end();
    }
    if (url.pathname === "/sign-out") {
      state.signedIn = false;
      for (const socket of wss.clients) socket.close(4401);
      res.writeHead(204);
      return res.end();
    }
    if (url.pathname.startsWith("/api/")) {
      if (state.down) return problem(res, 503, "store_busy", "The store is busy.");
      const came = comeIn(state.entry, url.pathname, req.method === "POST" ? await read(req) : {});
      if (came) return answerEntry(res, came);
      if (!allowed(req)) return problem(res, 401, "key_missing", "Sign in by link first.");
      const did = doWork(mock, req.method, url, req.method === "GET" ? {} : await read(req));
      if (did) return answerWork(res, did);
      return req.method === "POST" ? command(req, res, url) : api(res, url);
    }
    return file(res, url.pathname);
  }

  function api(res, url) {
    const q = url.searchParams;
    if (url.pathname === "/api/me") return json(res, 200, { success: true, data: { app: { id: "a1", name: state.appName, country: "NL" }, role: "admin", ...(state.work ? { agent: state.work.agent, scopes: state.work.scopes } : {}) } });
    if (url.pathname === "/api/connections") return json(res, 200, { success: true, data: state.commands.connections });
    if (/^\/api\/calls\/[^/]+\/actions$/.test(url.pathname)) return json(res, 200, { success: true, data: actionsOf(state.commands) });
    if (url.pathname === "/api/events") {
      const data = events.filter((e) => e.seq > Number(q.get("after") ?? 0)).slice(0, Number(q.get("limit") ?? 50));
      return json(res, 200, { success: true, data, pagination: { limit: 50, offset: 0, total: data.length, has_more: false, next_cursor: null } });
    }
    if (url.pathname === "/api/calls") {
      const limit = Number(q.get("limit") ?? 50);
      const start = Number(q.get("cursor") ?? q.get("offset") ?? 0);
      const all = [...calls.values()]
        .filter((c) => (!q.get("status") || c.status === q.get("status")) && (!q.get("from") || c.from_number === q.get("from")) && (!q.get("since") || (c.started_at ?? "") >= q.get("since")))
        .sort((a, b) => (a.started_at < b.started_at ? 1 : -1));
      const more = start + limit < all.length;
      return json(res, 200, { success: true, data: all.slice(start, start + limit).map((c) => dressed(state.work, c)), pagination: { limit, offset: start, total: all.length, has_more: more, next_cursor: more ? String(start + limit) : null } });
    }
    return problem(res, 404, "route_not_found", "There is no such route.");
  }

  function answerWork(res, [status, data, pagination]) {
    if (status >= 400) return problem(res, status, data.code, data.detail);
    return json(res, status, { success: true, data, ...(pagination ? { pagination } : {}) });
  }

  function answerEntry(res, [status, data]) {
    if (status >= 400) return json(res, status, { success: false, status, detail: null, ...data });
    if (data.signedIn) state.signedIn = true;
    return json(res, status, { success: true, data });
  }

  /** The body, once: a request is read by the first who asks. */
  async function read(req) {
    if (req.said) return req.said;
    const chunks = [];
    for await (const chunk of req) chunks.push(chunk);
    return (req.said = JSON.parse(Buffer.concat(chunks).toString() || "{}"));
  }

  async function command(req, res, url) {
    const body = await read(req);
    const commands = state.commands;
    commands.asked.push({ path: url.pathname, body, key: req.headers["idempotency-key"] ?? null });
    if (url.pathname === "/api/calls") {
      const no = commands.refuseDial;
      if (no) return problem(res, no.status, no.code, no.detail);
      const made = pending(body.to, body.extension);
      commands.lastPlaced = made.id;
      if (!commands.silent) emit("call.updated", made);
      return json(res, 201, { success: true, data: { call_id: made.id, dial_id: randomUUID(), call: made, dial: { call_id: made.id, state: "placed" } } });
    }
    const [, id, action] = /^\/api\/calls\/([^/]+)\/(\w+)$/.exec(url.pathname) ?? [];
    const call = structuredClone(calls.get(id));
    if (!call) return problem(res, 404, "call_not_found", "There is no such call.");
    const no = commands.refuse[action];
    if (no) return problem(res, no.status, no.code, no.detail);
    carryOut({ emit }, call, action, body);
    return json(res, 202, { success: true, data: { call_id: id, action, status: "accepted" } });
  }

  async function file(res, path) {
    const name = normalize(["/", "/set-up", "/invitation"].includes(path) ? "/index.html" : path);
    try {
      const body = await readFile(join(DIST, name));
      res.writeHead(200, { "content-type": TYPES[extname(name)] ?? "application/octet-stream", "content-security-policy": CSP });
      res.end(body);
    } catch {
      res.writeHead(404).end();
    }
  }

  const wss = new WebSocketServer({ noServer: true });
  server.on("upgrade", (req, socket, head) => {
    if (state.refuse || !allowed(req)) return socket.destroy();
    wss.handleUpgrade(req, socket, head, (ws) => greet(ws, new URL(req.url ?? "/", "http://mock").searchParams));
  });

  function greet(ws, q) {
    const recovered = q.get("epoch") === epoch && q.has("after");
    const send = (frame) => ws.send(JSON.stringify(frame));
    send({ type: "hello", app_id: "a1", epoch, seq: state.seq, recovered, server_time: serverTime(), ping_seconds: 30 });
    if (recovered) events.filter((e) => e.seq > Number(q.get("after"))).forEach(send);
    else send({ type: "snapshot", epoch, seq: state.seq, calls: [...calls.values()].filter((c) => LIVE.has(c.status)).map((c) => dressed(state.work, c)) });
    ws.on("message", (text) => {
      if (JSON.parse(String(text)).type === "ping" && !state.silent) send({ type: "pong", server_time: serverTime() });
    });
  }

  /** Sends one event to everybody; with a call, the call is stored first. */
  function emit(event, call, data = {}) {
    if (call) {
      call.updated_at = iso(Date.now());
      calls.set(call.id, structuredClone(call));
    }
    state.seq += 1;
    const frame = {
      type: "event", event, seq: state.seq, id: randomUUID(), epoch, call_id: call?.id ?? null,
      at: iso(Date.now()), timestamp: iso(Date.now()), direction: call?.direction ?? null,
      from_number: call?.from_number ?? null, to_number: call?.to_number ?? null, status: call?.status ?? null,
      user_id: null, duration_seconds: call?.duration_seconds ?? null,
      data: structuredClone({ ...(call ? { call: dressed(state.work, call) } : {}), ...data }),
    };
    events.push(frame);
    for (const ws of wss.clients) ws.send(JSON.stringify(frame));
    return frame;
  }

  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  Object.assign(mock, {
    url: `http://127.0.0.1:${server.address().port}`,
    state,
    calls,
    emit,
    listeners: () => wss.clients.size,
    /** A call and its pop, as the server sends them. */
    ring(call, pop = {}) {
      emit("call.ring", call);
      const matches = call.contact ? [call.contact] : [];
      emit("screen_pop.opened", call, { action: call.contact ? "navigate" : "intake", agent: call.agent, matches, total: matches.length, ...pop });
      return call;
    },
    /** Answers nothing below this path until the returned function is called. */
    holdBack(path) {
      let release = () => {};
      held.set(path, new Promise((done) => (release = done)));
      return () => {
        held.delete(path);
        release();
      };
    },
    /** Cuts every connection; `refuse` keeps new ones out. */
    cut({ refuse = false, code = null } = {}) {
      state.refuse = refuse;
      for (const ws of wss.clients) code ? ws.close(code) : ws.terminate();
    },
    async stop() {
      for (const ws of wss.clients) ws.terminate();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  });
  return mock;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await startMock({ port: Number(process.env.PORT ?? 4000), strict: true, work: { tasks: someTasks(Date.now()) } });
  console.log(`Mock server on ${mock.url}; sign in with ${mock.url}/sign-in?token=good`);
  void play(mock);
}
