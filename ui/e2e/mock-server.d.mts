// Types for the stand-in server, which is plain JavaScript so that node runs it as it is.
export interface MockCall {
  id: string;
  [field: string]: unknown;
}
export interface Mock {
  url: string;
  state: { signedIn: boolean; seq: number; delay: number; refuse: boolean; down: boolean; silent?: boolean; appName: string };
  calls: Map<string, MockCall>;
  emit(event: string, call: MockCall | null, data?: object): void;
  ring(call: MockCall, pop?: object): MockCall;
  cut(options?: { refuse?: boolean; code?: number | null }): void;
  listeners(): number;
  stop(): Promise<void>;
}
export function startMock(options?: { port?: number; signedIn?: boolean; app?: string; rows?: (now: number) => MockCall[]; strict?: boolean }): Promise<Mock>;
