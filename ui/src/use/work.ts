// The work after and around calls as one thing: begins when the link is live, stops with it.

import { getWorkSettings } from "../core/api";
import { clearMoments, loadPending, retryDrafts, tickMoments } from "./moments";
import { workSettings } from "./settings";
import { clearTasks, loadAgents, loadTasks } from "./tasks";

export { workSettings } from "./settings";

/** At the start and whenever the link came back: what is set, what waits, what is to be done. */
export async function startWork(): Promise<void> {
  const answer = await getWorkSettings();
  if (!answer.ok) {
    // An older server, or no right to it: the page is what it was without. A server that only
    // did not answer changes nothing.
    if (answer.status === 404 || answer.status === 403) workSettings.value = null;
    return;
  }
  workSettings.value = answer.data;
  retryDrafts();
  await Promise.all([loadPending(), loadTasks(), loadAgents()]);
}

export function tickWork(): void {
  if (workSettings.value) tickMoments();
}

export function stopWork(): void {
  workSettings.value = null;
  clearMoments();
  clearTasks();
}
