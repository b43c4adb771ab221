// What reporting answers (contract 2; services/reporting/answers.py says it in full), as far as the
// page reads it. Money is integer fen, instants are RFC 3339 in UTC.

export interface Meta {
  as_of: string;
  position: string;
  policy: string;
}

export type Level = "L0" | "L1" | "L2" | "L3" | "L4" | "L5" | "L6" | "L7";

export interface Overview {
  meta: Meta;
  received: number;
  accepted: number;
  open: number;
  closed: number;
  written_off: number;
  overdue: number;
  workers: number;
  owed_fen: number;
  paid_fen: number;
  workers_paid: number;
  by_state: Record<string, number>;
  by_tier: Record<string, number>;
  by_source: Record<string, number>;
  open_by_level: Partial<Record<Level, number>>;
  phase: string | null;
  campaign: { first: string; last: string; stands: "before" | "running" | "over" };
}

export interface Rate {
  met: number;
  of: number;
  percent: number | null;
}

export interface Moved {
  unit: string;
  name: string;
  rank: { before: number | null; after: number | null };
  score: { before: number | null; after: number | null };
  raw: { before: number | null; after: number | null };
  /** Changes in points; they sum to the change of `raw`. */
  parts: Record<string, number>;
}

export interface Movements {
  meta: Meta;
  since: Meta;
  task_forces: Moved[];
  townships: Moved[];
}

/** A unit's place with every case that its numbers count. */
export interface Place {
  meta: Meta;
  cases: {
    case_id: string;
    number: string | null;
    rates: Partial<Record<"cleared" | "on_time" | "responded", boolean>>;
    owed_fen: number | null;
    recovered_fen: number | null;
    ledger: { met: number; of: number } | null;
  }[];
  deductions: Record<string, { subject: string; at: string; event_id: string | null }[]>;
}

export type Note = "NO_CASES" | "SMALL_SAMPLE" | "EXTREME" | null;

export interface Apart {
  unit: string;
  base: number;
  rates: Record<string, Rate>;
  recovered_fen: number;
  workers_paid: number;
}

export interface Ranked extends Apart {
  rank: number | null;
  name: string;
  score: number | null;
  raw: number | null;
  parts: Record<string, number>;
  note: Note;
  deductions: Record<string, number>;
  emergency_fen: number;
  returns: number;
}

export interface Rankings {
  meta: Meta;
  window: { start: string; end: string };
  items: Ranked[];
  apart: Apart[];
}

export interface Target {
  phase: string;
  predicate: string;
  at: string;
  result: "PASS" | "FAIL" | "PENDING" | "NOT_EVALUABLE";
  met: number;
  of: number;
  cases: { case_id: string; tag: "GRACE" | null }[];
  hash: string;
  missing?: string[];
}

export interface Clearance {
  meta: Meta;
  items: Target[];
}

export interface Line {
  line: string;
  claimed_fen: number | null;
  owed_fen: number | null;
  paid_fen: number;
}

export interface Case {
  case_id: string;
  number: string | null;
  source: string;
  tier: string;
  kind: string | null;
  received_at: string;
  accepted_at: string | null;
  state: string;
  task_force: string | null;
  department: string | null;
  township: string | null;
  co_handlers: string[];
  employer: { name: string | null; uscc: string | null; industry: string | null } | null;
  workers: number | null;
  workers_paid: number | null;
  claimed_fen: number | null;
  owed_fen: number | null;
  paid_fen: number;
  lines: Line[];
  due_at: string | null;
  cap: string | null;
  grace: string | null;
  overdue: boolean;
  level: Level;
  closed_at: string | null;
  closed_kind: string | null;
  merged_into: string | null;
  /** Alerts that stand. */
  alerts: { timer: string; step: string | null; level: Level; due_at: string }[];
}

export interface Deadline {
  timer: string;
  step: string | null;
  item: unknown;
  started_at: string | null;
  due_at: string | null;
  cap: string | null;
  grace: string | null;
  event_id: string;
}

export interface Why {
  rule: string | null;
  reason: string | null;
  evidence: string[] | null;
  runner_up: { lead: string; rule: string } | null;
  decided: string;
  at: string;
  text: string | null;
}

export interface OneCase {
  meta: Meta;
  case: Case & { deadlines: Deadline[]; why: Why | null };
}

export interface Cases {
  meta: Meta;
  items: Case[];
  next: string | null;
  total: number | null;
}

export interface Told {
  event_id: string;
  type: string;
  time: string;
  recorded_at: string;
  unit: string | null;
  role: string | null;
  sentence: string;
  sentence_en: string;
}

export interface Timeline {
  meta: Meta;
  items: Told[];
  next: string | null;
}

export interface Issue {
  no: number;
  phase: string;
  as_of: string;
  comes_out_at: string | null;
  published: { event_id: string; recorded_at: string; hash: string } | null;
  files: Record<string, string>;
}

export interface Bulletins {
  meta: Meta;
  items: Issue[];
}

export interface Checkpoint {
  event_id: string;
  recorded_at: string;
  positions: Record<string, number>;
  roots: Record<string, string>;
  signature: string;
  key_id: string;
}

export interface Checkpoints {
  meta: Meta;
  items: Checkpoint[];
}

export interface Warnings {
  meta: Meta;
  items: { rule: string; name: string; of: "employer" | "project"; cases: string[] }[];
  rules: { rule: string; name: string; source: string; hits: number }[];
}

export interface Named {
  code: string;
  name: string;
  name_en?: string;
}

export interface Definitions {
  meta: Meta;
  campaign: {
    id: string;
    title: string;
    document: string;
    first: string;
    last: string;
    phases: { id: string; name: string; first: string; last: string }[];
    dates: { id: string; last_day: string; content: string }[];
  };
  task_forces: Named[];
  townships: Named[];
  departments: { name: string }[];
  sources: Named[];
  tiers: Named[];
  states: Named[];
  levels: Named[];
  timers: { id: string; name: string; unit: string; n: number; source: string }[];
  score: {
    weights: Record<string, number>;
    deductions: Record<string, { each: number; max: number | null }>;
    small_sample_below: number;
  };
}

export interface Day {
  day: string;
  received: number;
  accepted: number;
  closed: number;
  open: number;
  overdue: number;
  owed_fen: number;
  paid_fen: number;
}

export interface Trend {
  meta: Meta;
  items: Day[];
}

export const AGES = ["0-7", "8-15", "16-30", "31-60", "61+"] as const;

export interface Unit {
  kind: "task_force" | "township" | "department";
  unit: string;
  name: string;
  accepted: number;
  open: number;
  overdue: number;
  closed: number;
  owed_fen: number;
  paid_fen: number;
  ageing: Record<(typeof AGES)[number], number>;
}

export interface Units {
  meta: Meta;
  items: Unit[];
}

export interface Ready {
  ready: boolean;
  clock: string | null;
  positions: Record<string, number>;
  owed: number;
  next_due: string | null;
  reason: string | null;
}
