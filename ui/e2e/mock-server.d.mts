// Types for the stand-in server, which is plain JavaScript so that node runs it as it is.
export interface MockCall {
  id: string;
  [field: string]: unknown;
}
export interface Mock {
  url: string;
  /** `clock`: what the server says the time is; null for the real one. */
  state: { signedIn: boolean; seq: number; refuse: boolean; down: boolean; silent?: boolean; clock: number | null; appName: string };
  calls: Map<string, MockCall>;
  emit(event: string, call: MockCall | null, data?: object): void;
  ring(call: MockCall, pop?: object): MockCall;
  holdBack(path: string): () => void;
  cut(options?: { refuse?: boolean; code?: number | null }): void;
  listeners(): number;
  stop(): Promise<void>;
}
export function startMock(options?: { port?: number; signedIn?: boolean; app?: string; rows?: (now: number) => MockCall[]; strict?: boolean }): Promise<Mock>;
