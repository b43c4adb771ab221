// A way to a case, by its number, or by as much of its id as tells it from others.

import { address } from "../place";

export function CaseLink({ id, number }: { id: string; number?: string | null }) {
  return (
    <a class="whole" href={address(`/cases/${id}`)}>
      {number ?? id.slice(0, 8)}
    </a>
  );
}
