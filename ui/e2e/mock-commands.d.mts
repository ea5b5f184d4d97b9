export const CONNECTION: { id: string; platform: string; name: string; places_calls: boolean; why_not: string | null };
export const DIALPAD: { id: string; platform: string; name: string; places_calls: boolean; why_not: string | null };
