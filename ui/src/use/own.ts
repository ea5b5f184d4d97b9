// Who sits at this browser, as far as the page is told.

import { stored } from "./stored";

/** The extension of the person's phone: it rings first when they dial, and commands are for it. */
export const ownExtension = stored("switchhook.extension", "");
