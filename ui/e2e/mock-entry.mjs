// The stand-in's part for coming in: password, choice of an app, set-up, invitations. One person
// exists, in one app or in two; the tokens that are good are called `good`, and `reset`.

export const entryState = ({ password = true, oidc = null, setUp = false, apps = 1 } = {}) => ({ password, oidc, setUp, apps, asked: [], down: false });

const GOOD = "correct horse battery";

/** Answers what belongs to coming in; null for everything else. */
export function comeIn(entry, path, body) {
  if (!entry) return null;
  if (path === "/api/sign-in/options") return [200, { set_up_needed: entry.setUp, password: entry.password, oidc: entry.oidc }];
  if (path.startsWith("/api/sign-in") || path.startsWith("/api/set-up") || path.startsWith("/api/invitations/")) entry.asked.push({ path, body });
  switch (path) {
    case "/api/sign-in":
      if (entry.throttled) return [429, { code: "rate_limited" }];
      if (body.password !== GOOD) return [401, { code: "sign_in_refused" }];
      if (entry.apps > 1 && !body.app_id) return [409, { code: "app_choice_needed", apps: [{ id: "a1", name: "Klantcontact" }, { id: "a2", name: "Gemeente Dordrecht · Burgerzaken" }] }];
      return [200, { signedIn: true }];
    case "/api/set-up":
      if (body.token !== "good") return [410, { code: "link_expired" }];
      if (body.password.includes(body.app_name)) return [400, { code: "invalid_field", field: "password", detail: "The password must not hold the name of the app." }];
      return [201, { signedIn: true }];
    case "/api/invitations/look":
      if (body.token !== "good" && body.token !== "reset") return [410, { code: "link_expired" }];
      return [200, { app: { name: "Klantcontact" }, email: "fatima@example.nl", name: null, role: "supervisor", purpose: body.token === "reset" ? "reset" : "invitation", expires_at: "2026-11-29T00:00:00Z" }];
    case "/api/invitations/accept":
      return [200, { signedIn: true }];
    default:
      return null;
  }
}
