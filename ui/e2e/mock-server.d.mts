// Types for the stand-in server, which is plain JavaScript so that node runs it as it is.
export interface MockCall {
  id: string;
  [field: string]: unknown;
}
export interface MockRefusal {
  status: number;
  code: string;
  detail: string;
}
export interface MockCommands {
  lacks: Record<string, string>;
  notNow: Record<string, string>;
  kinds: string[] | undefined;
  refuse: Record<string, MockRefusal>;
  refuseDial: MockRefusal | null;
  /** Takes calls to place and tells nothing of them. */
  silent: boolean;
  /** The id of the call that was placed last. */
  lastPlaced?: string;
  connections: { id: string; platform: string; name: string; places_calls: boolean; why_not: string | null }[];
  /** Every POST, in order. */
  asked: { path: string; body: Record<string, unknown>; key: string | null }[];
}
export interface MockEntry {
  password: boolean;
  oidc: { name: string; url: string } | null;
  setUp: boolean;
  apps: number;
  throttled?: boolean;
  /** Every attempt to come in, in order. */
  asked: { path: string; body: Record<string, unknown> }[];
}
export interface MockTask {
  id: string;
  version: number;
  [field: string]: unknown;
}
export interface MockWork {
  agent: { id: string; name: string } | null;
  scopes: string[];
  settings: Record<string, unknown>;
  moments: Map<string, Record<string, unknown> & { version: number }>;
  tasks: Map<string, MockTask>;
  asked: { method: string; path: string; body: Record<string, unknown> }[];
  refuse: Record<string, MockRefusal>;
  /** Contacts that can be chosen. */
  known?: { id: string; name: string }[];
}
export interface MockWorkOptions {
  agent?: { id: string; name: string } | null;
  scopes?: string[];
  settings?: Record<string, unknown>;
  tasks?: MockTask[];
}
export interface Mock {
  url: string;
  /** `clock`: what the server says the time is; null for the real one. */
  state: { signedIn: boolean; seq: number; refuse: boolean; down: boolean; silent?: boolean; clock: number | null; appName: string; commands: MockCommands; entry: MockEntry | null; work: MockWork | null };
  calls: Map<string, MockCall>;
  emit(event: string, call: MockCall | null, data?: object): void;
  ring(call: MockCall, pop?: object): MockCall;
  holdBack(path: string): () => void;
  cut(options?: { refuse?: boolean; code?: number | null }): void;
  listeners(): number;
  stop(): Promise<void>;
}
export function startMock(options?: { port?: number; signedIn?: boolean; app?: string; rows?: (now: number) => MockCall[]; strict?: boolean; entry?: Partial<MockEntry> | null; work?: MockWorkOptions | null }): Promise<Mock>;
