import type { MockCall } from "./mock-server.mjs";
export function iso(ms: number): string;
export function party(number: string | null, name?: string | null, kind?: string): object;
export function contact(name: string, more?: object): object;
export function leg(extension: string, name: string, at: number, more?: object): object;
export function call(at: number, more?: object): MockCall;
export function finished(at: number, seconds: number, more?: object): MockCall;
export function history(now: number): MockCall[];
