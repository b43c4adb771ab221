// The few numbers of `/metrics` (Prometheus text) that a reader of the page understands.

export type Samples = Map<string, number>;

/** Sums of each metric over its labels. */
export function samples(text: string): Samples {
  const found: Samples = new Map();
  for (const line of text.split("\n")) {
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{.*\})? ([^ ]+)/.exec(line);
    if (!sample) continue;
    const [, name, value] = sample as unknown as [string, string, string];
    found.set(name, (found.get(name) ?? 0) + Number(value));
  }
  return found;
}
