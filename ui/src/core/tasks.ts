// Tasks: which are shown, in which order and under which heading, and how late they are.

import { ms } from "./state";
import type { Task, TaskPriority } from "./types";

export type Filter = "mine" | "unassigned" | "all";
export type Group = "overdue" | "today" | "later" | "none" | "done";

export const isOpen = (task: Task): boolean => task.status === "open" || task.status === "in_behandeling";
export const isOverdue = (task: Task, now: number): boolean => isOpen(task) && task.deadline !== null && ms(task.deadline) < now;

const WEIGHT: Record<TaskPriority, number> = { hoog: 0, normaal: 1, laag: 2 };
const due = (task: Task): number => (task.deadline === null ? Number.POSITIVE_INFINITY : ms(task.deadline));

/** By deadline, then by priority, then the oldest first: never by chance. */
export function order(a: Task, b: Task): number {
  const byTime = due(a) === due(b) ? 0 : due(a) - due(b);
  return byTime || WEIGHT[a.priority] - WEIGHT[b.priority] || ms(a.created_at) - ms(b.created_at) || (a.id < b.id ? -1 : 1);
}

export function groupOf(task: Task, now: number): Group {
  if (!isOpen(task)) return "done";
  if (task.deadline === null) return "none";
  if (ms(task.deadline) < now) return "overdue";
  return new Date(ms(task.deadline)).toDateString() === new Date(now).toDateString() ? "today" : "later";
}

export function matches(task: Task, filter: Filter, agent: string | null): boolean {
  if (filter === "mine") return agent !== null && task.assignee?.id === agent;
  return filter === "all" || task.assignee === null;
}

const GROUPS: readonly Group[] = ["overdue", "today", "later", "none", "done"];

/** What is to be done, overdue first; what was done today stays until midnight. */
export function grouped(tasks: readonly Task[], filter: Filter, agent: string | null, now: number, dayStart: number): { group: Group; rows: Task[] }[] {
  const shown = tasks
    .filter((task) => matches(task, filter, agent) && (isOpen(task) || ms(task.completed_at) >= dayStart))
    .sort(order);
  return GROUPS.map((group) => ({ group, rows: shown.filter((task) => groupOf(task, now) === group) }))
    .map(({ group, rows }) => ({ group, rows: group === "done" ? rows.sort((a, b) => ms(b.completed_at) - ms(a.completed_at)) : rows }))
    .filter(({ rows }) => rows.length > 0);
}

/** An event that overtook an answer wins by its later version. */
export function putTasks(known: Readonly<Record<string, Task>>, rows: readonly Task[]): Readonly<Record<string, Task>> {
  const next = { ...known };
  for (const row of rows) {
    const had = next[row.id];
    if (!had || row.version >= had.version) next[row.id] = row;
  }
  return next;
}

/** Whole minutes, hours or days until or since; the view finds the word. */
export function distance(deadline: string, now: number): { late: boolean; n: number; unit: "minutes" | "hours" | "days" } {
  const away = ms(deadline) - now;
  const late = away < 0;
  const minutes = Math.floor(Math.abs(away) / 60_000);
  if (minutes < 60) return { late, n: minutes, unit: "minutes" };
  if (minutes < 48 * 60) return { late, n: Math.floor(minutes / 60), unit: "hours" };
  return { late, n: Math.floor(minutes / 1440), unit: "days" };
}

/** How often somebody tried and reached nobody. */
export const triesInVain = (task: Task): number => task.attempts.filter((a) => a.result !== "bereikt").length;
