// Going from view to view, and the keys that belong to one view only.

import { computed, nextTick } from "vue";
import { dialNumber } from "./dial";
import { workSettings } from "./settings";
import { back } from "../core/middle";
import { isOpen } from "../core/tasks";
import type { Task } from "../core/types";
import { me } from "./session";
import { middle, place, placeShown } from "./store";
import { act, making, openTask, task, taskId } from "./tasks";
import { ownAgent } from "./settings";

export function go(to: "console" | "tasks"): void {
  if (to === "tasks" && !workSettings.value) return;
  // A popped caller lies over the view that was there; whoever goes, leaves it.
  if (to === "tasks" && middle.value.popped) middle.value = back(middle.value);
  place.value = to;
  void nextTick(() => document.getElementById("work")?.focus({ preventScroll: true }));
}

const WAIT_MS = 1_500;
let waiting = -WAIT_MS;
/** “G” was pressed: the next letter says where to. */
export function waitForPlace(): boolean {
  if (!workSettings.value) return false;
  waiting = performance.now();
  return true;
}
export function goByKey(to: "console" | "tasks"): boolean {
  if (performance.now() - waiting > WAIT_MS) return false;
  waiting = -WAIT_MS;
  go(to);
  return true;
}

/** One step back in the tasks: the form, then the task. False when there was none. */
export function closeTask(): boolean {
  if (making.value) making.value = false;
  else if (taskId.value !== null) taskId.value = null;
  else return false;
  return true;
}

/** What was given to somebody is not begun until they say so: for them too it is a claim. */
export const canClaim = (one: Task): boolean =>
  isOpen(one) && ownAgent.value !== null && (one.assignee === null || (one.assignee.id === ownAgent.value.id && one.status === "open"));
/** Tasks are given to others by those who see to them; agents take and put back. */
export const canGive = computed(() => me.value?.role === "admin" || me.value?.role === "supervisor");
export const canTry = (one: Task): boolean => isOpen(one) && one.callback_number !== null;

export function callBack(one: Task): void {
  if (one.callback_number) void dialNumber(one.callback_number);
}
export const notReached = (one: Task): Promise<boolean> => act(one, "attempts", { result: "niet_bereikt" });

export function byTaskKey(key: "c" | "x" | "n"): boolean {
  if (placeShown.value !== "tasks") return false;
  if (key === "n") {
    openTask(null);
    making.value = true;
    return true;
  }
  const one = task.value;
  if (!one) return false;
  if (key === "c" && canClaim(one)) void act(one, "claim");
  else if (key === "x" && canTry(one)) void notReached(one);
  else return false;
  return true;
}
