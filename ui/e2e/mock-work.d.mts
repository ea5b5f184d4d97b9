import type { MockCall, MockTask, MockWork } from "./mock-server.mjs";
interface MockAgent {
  id: string;
  name: string;
}
export const ADA: MockAgent;
export const GRACE: MockAgent;
export function task(more?: object): MockTask;
export function someTasks(now: number): MockTask[];
export function momentOf(work: MockWork, call: MockCall): Record<string, unknown>;
