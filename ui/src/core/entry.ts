// How people come in: password, single sign-on, set-up and invitations. What the server offers is
// asked first; a server that offers none of it is entered by link.

import { get, post, type Answer, type Done } from "./api";

export interface SignInOptions {
  /** Nobody has an account yet: the link on the server's console makes the first one. */
  set_up_needed: boolean;
  password: boolean;
  oidc: { name: string; url: string } | null;
}

export interface AppChoice {
  id: string;
  name: string;
}

export interface Invited {
  app: { name: string };
  email: string;
  name: string | null;
  role: string;
  expires_at: string;
  /** `reset` when the person has an account and only sets a new password. */
  purpose?: "invitation" | "reset";
}

export interface SetUpForm {
  app_name: string;
  country: string;
  name: string;
  email: string;
  password: string;
}

/** The shortest password, in characters; the server has the last word. */
export const MIN_PASSWORD = 12;
export const MAX_PASSWORD = 128;

export const getSignInOptions = (): Promise<Answer<SignInOptions>> => get<SignInOptions>("/api/sign-in/options");

export const postSignIn = (email: string, password: string, app: string | null): Promise<Done<unknown>> =>
  post("/api/sign-in", { email, password, ...(app ? { app_id: app } : {}) });

export const postSetUp = (token: string, form: SetUpForm): Promise<Done<unknown>> => post("/api/set-up", { token, ...form });

export const lookInvitation = (token: string): Promise<Done<Invited>> => post<Invited>("/api/invitations/look", { token });

export const acceptInvitation = (token: string, name: string, password: string): Promise<Done<unknown>> =>
  post("/api/invitations/accept", { token, name, password });

/** The apps to choose from, when one password fits several. */
export function choices(said: Record<string, unknown> | undefined): AppChoice[] {
  const apps = said?.["apps"];
  if (!Array.isArray(apps)) return [];
  return apps.filter((app): app is AppChoice => typeof app?.id === "string" && typeof app?.name === "string");
}

/** Which face of the page an address asks for. */
export type Entry = { view: "console" } | { view: "set-up" | "invitation"; token: string };

export function entryOf(path: string, query: string): Entry {
  const token = new URLSearchParams(query).get("token") ?? "";
  const view = path.replace(/\/+$/, "").slice(1);
  return view === "set-up" || view === "invitation" ? { view, token } : { view: "console" };
}

/** Why a password would be refused, before it is sent; null when it may be tried. */
export function passwordFault(password: string): "short" | "long" | null {
  const length = [...password].length;
  if (length < MIN_PASSWORD) return "short";
  return length > MAX_PASSWORD ? "long" : null;
}
