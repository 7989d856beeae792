// What `/v1/ab/` answers, as far as the dashboard reads it.

export type Interval = [lower: number, upper: number];

export interface Cell {
  dimension: "language" | "kind" | "lines" | "day";
  key: string;
  arm: string;
  metric: "car" | "cpr_30";
  value: number;
  interval: Interval | null;
  denominator: number;
}

export interface Latency {
  arm: string;
  level: number;
  ms: number;
  interval: Interval;
}

export interface Kind {
  kind: string;
  car: number;
  interval: Interval;
  counted: number;
  refused: number;
}

/** What an experiment's report and the overview have in common. */
export interface Measured {
  since_ms: number;
  until_ms: number;
  cells: Cell[];
  latencies: Latency[];
  kinds: Kind[];
}

export interface Overview extends Measured {
  num_users: number;
  metrics: { title: string; is_share: boolean; value: number; interval: Interval }[];
}

export interface Report extends Measured {
  experiment: string;
  is_running: boolean;
  control: string;
  arms: {
    name: string;
    share: number;
    num_users: number;
    num_triggered: number;
    counted: number;
    accepted: number;
  }[];
  checks: { is_mismatch: boolean; users_p: number };
  statements: { level: "stop" | "warning" | "finding" | "note"; text: string }[];
  metrics: {
    title: string;
    is_share: boolean;
    arm: string;
    control: number;
    treatment: number;
    fixed: Interval;
    anytime: Interval | null;
    p_adjusted: number;
  }[];
}

export interface Experiment {
  plan: { name: string; arms: { name: string; share: number }[] };
  state: "draft" | "running" | "stopped";
  created_ms: number;
  started_ms: number | null;
  stopped_ms: number | null;
  reason: string | null;
  stopped_arms: Record<string, [at_ms: number, reason: string]>;
}
