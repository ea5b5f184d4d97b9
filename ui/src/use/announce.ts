// The two live regions stand in index.html, outside the app, present and empty from the start.

function put(id: string, text: string): void {
  const region = document.getElementById(id);
  if (!region) return;
  // Emptied first: the same sentence twice would otherwise be said once.
  region.textContent = "";
  window.setTimeout(() => {
    region.textContent = text;
  }, 60);
}

/** Interrupts: a ringing call, a lost connection. */
export const sayNow = (text: string): void => put("say-now", text);
/** Waits its turn. */
export const say = (text: string): void => put("say", text);
