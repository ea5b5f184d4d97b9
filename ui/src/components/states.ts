// One call state: its colour family, its mark and its word belong together everywhere.

import type { Status } from "../core/types";
import type { Key } from "../use/i18n";
import type { IconName } from "./icons";

export type Tone = "ringing" | "active" | "held" | "ended" | "missed" | "accent" | "wrap";

interface Look {
  tone: Tone;
  icon: IconName;
  word: Key;
}

export const looks: Record<Status, Look> = {
  ringing: { tone: "ringing", icon: "ring", word: "state.ringing" },
  active: { tone: "active", icon: "phone", word: "state.active" },
  held: { tone: "held", icon: "pause", word: "state.held" },
  ended: { tone: "ended", icon: "hang", word: "state.ended" },
  missed: { tone: "missed", icon: "missed", word: "state.missed" },
  rejected: { tone: "missed", icon: "cross", word: "state.rejected" },
  voicemail: { tone: "accent", icon: "voicemail", word: "state.voicemail" },
};

export const wrapLook: Look = { tone: "wrap", icon: "pencil", word: "state.wrap" };
export const doneLook: Look = { tone: "ended", icon: "check", word: "state.done" };

export const lookOf = (status: Status): Look => looks[status] ?? looks.ended;
