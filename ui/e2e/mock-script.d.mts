import type { Mock, MockCall } from "./mock-server.mjs";
export function answer(call: MockCall): void;
export function hold(call: MockCall): void;
export function resume(call: MockCall): void;
export function end(call: MockCall, more?: object): void;
export function jansen(now: number): MockCall;
export function deWaal(now: number): { c: MockCall; pop: object };
export function unknown(now: number): MockCall;
export function play(mock: Mock): Promise<never>;
