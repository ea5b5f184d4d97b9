export const CONNECTION: { id: string; platform: string; name: string };
export const DIALPAD: { id: string; platform: string; name: string };
