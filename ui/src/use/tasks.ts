// Tasks on this page: loaded, kept fresh by events, and acted on.

import { computed, reactive, ref, shallowRef } from "vue";
import { actOnTask, getAgents, getTask, getTasks, postTask, type Refusal } from "../core/api";
import { startOfDay } from "../core/clock";
import { grouped, isOpen, isOverdue, matches, putTasks, type Filter } from "../core/tasks";
import type { AgentRow, Task } from "../core/types";
import { say } from "./announce";
import { t } from "./i18n";
import { ownAgent } from "./settings";
import { now } from "./store";

const PAGE = "100";

export const tasks = shallowRef<Readonly<Record<string, Task>>>({});
export const tasksState = ref<"loading" | "ready" | "failed">("loading");
const cursor = ref<string | null>(null);
export const hasMoreTasks = computed(() => cursor.value !== null);
export const agents = shallowRef<readonly AgentRow[]>([]);

const wanted = ref<Filter | null>(null);
/** Whoever is no agent has no tasks of their own. */
export const filter = computed<Filter>({
  get: () => wanted.value ?? (ownAgent.value ? "mine" : "all"),
  set: (next) => {
    wanted.value = next;
  },
});
export const taskId = ref<string | null>(null);
export const task = computed<Task | null>(() => (taskId.value === null ? null : (tasks.value[taskId.value] ?? null)));
/** The form for a new one is open. */
export const making = ref(false);

const own = (): string | null => ownAgent.value?.id ?? null;
export const groups = computed(() => grouped(Object.values(tasks.value), filter.value, own(), now.value, startOfDay(now.value)));
export const countOf = (of: Filter): number => Object.values(tasks.value).filter((one) => isOpen(one) && matches(one, of, own())).length;
/** For the rail: what waits for this person; for others, everything. */
export const taskCount = computed(() => countOf(ownAgent.value ? "mine" : "all"));
export const overdueCount = computed(
  () => Object.values(tasks.value).filter((one) => isOverdue(one, now.value) && matches(one, ownAgent.value ? "mine" : "all", own())).length,
);

export async function loadTasks(): Promise<void> {
  const since = startOfDay(now.value);
  const [open, done] = await Promise.all([
    getTasks({ status: "open,in_behandeling", sort: "deadline", limit: PAGE }),
    getTasks({ status: "afgerond", sort: "newest", limit: "25" }),
  ]);
  if (!open.ok) {
    if (tasksState.value === "loading") tasksState.value = "failed";
    return;
  }
  // What the server no longer counts as open was done while nobody looked: its page of done
  // ones, or the event, brings it back.
  const kept = Object.fromEntries(Object.entries(tasks.value).filter(([id, one]) => !isOpen(one) || id === taskId.value));
  tasks.value = putTasks(putTasks(kept, open.data), done.ok ? done.data.filter((one) => Date.parse(one.completed_at ?? "") >= since) : []);
  cursor.value = open.cursor;
  tasksState.value = "ready";
}

export async function loadMoreTasks(): Promise<void> {
  if (!cursor.value) return;
  const answer = await getTasks({ status: "open,in_behandeling", sort: "deadline", limit: PAGE, cursor: cursor.value });
  if (!answer.ok) return;
  tasks.value = putTasks(tasks.value, answer.data);
  cursor.value = answer.cursor;
}

export async function retryTasks(): Promise<void> {
  tasksState.value = "loading";
  await loadTasks();
}

export async function loadAgents(): Promise<void> {
  const answer = await getAgents();
  // Without the list a task can still go to a queue or to oneself.
  if (answer.ok) agents.value = answer.data.filter((agent) => agent.active !== false);
}

/** From an event or an answer. */
export function taskCame(one: Task, isNew: boolean): void {
  const known = tasks.value[one.id];
  tasks.value = putTasks(tasks.value, [one]);
  const mine = own() !== null && one.assignee?.id === own();
  const before = known?.assignee?.id === own();
  if (mine && isOpen(one) && (isNew || (known && !before)) && one.created_by.id !== own() && !busy[one.id]) say(t("task.say_yours", { subject: one.subject }));
}

// ---- acting -----------------------------------------------------------------------------

/** What is under way, by task. */
export const busy = reactive<Record<string, string>>({});
/** Why the last one did not work, by task. */
export const taskFaults = reactive<Record<string, Refusal & { action: string }>>({});

export async function act(one: Task, action: "claim" | "release" | "assign" | "attempts" | "complete" | "reopen", body: object = {}): Promise<boolean> {
  if (busy[one.id]) return false;
  busy[one.id] = action;
  delete taskFaults[one.id];
  const answer = await actOnTask(one.id, action, { ...body, version: one.version });
  if (answer.ok) {
    taskCame(answer.data, false);
    say(t(`task.said_${action}` as "task.said_claim", { subject: one.subject }));
  } else {
    taskFaults[one.id] = { ...answer, action };
    say(t("task.say_failed", { subject: one.subject }));
    // Somebody was faster: the reason is only understood next to how it stands now.
    const fresh = await getTask(one.id);
    if (fresh.ok) taskCame(fresh.data, false);
  }
  delete busy[one.id];
  return answer.ok;
}

export async function makeTask(body: object): Promise<Refusal | null> {
  const answer = await postTask(body);
  if (!answer.ok) return answer;
  taskCame(answer.data, false);
  taskId.value = answer.data.id;
  making.value = false;
  // What was made must be seen, also under another filter.
  if (!matches(answer.data, filter.value, own())) filter.value = "all";
  say(t("task.said_created", { subject: answer.data.subject }));
  return null;
}

export function openTask(id: string | null): void {
  taskId.value = id;
  making.value = false;
}

export function clearTasks(): void {
  tasks.value = {};
  tasksState.value = "loading";
  cursor.value = null;
  agents.value = [];
  taskId.value = null;
  making.value = false;
  wanted.value = null;
  for (const id of Object.keys(taskFaults)) delete taskFaults[id];
}
