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
export interface Mock {
  url: string;
  /** `clock`: what the server says the time is; null for the real one. */
  state: { signedIn: boolean; seq: number; refuse: boolean; down: boolean; silent?: boolean; clock: number | null; appName: string; commands: MockCommands; entry: MockEntry | null };
  calls: Map<string, MockCall>;
  emit(event: string, call: MockCall | null, data?: object): void;
  ring(call: MockCall, pop?: object): MockCall;
  holdBack(path: string): () => void;
  cut(options?: { refuse?: boolean; code?: number | null }): void;
  listeners(): number;
  stop(): Promise<void>;
}
export function startMock(options?: { port?: number; signedIn?: boolean; app?: string; rows?: (now: number) => MockCall[]; strict?: boolean; entry?: Partial<MockEntry> | null }): Promise<Mock>;
