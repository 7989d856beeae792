import { beforeEach, expect, test } from "vitest";
import { contextOf } from "../../test/notation";
import { Rhythm } from "./rhythm";
import { MAX_WAIT_MS, MIN_WAIT_MS, PROMOTE_AFTER_MS, Throttle } from "./throttle";

let rhythm: Rhythm;
let throttle: Throttle;

beforeEach(() => {
  rhythm = new Rhythm();
  throttle = new Throttle(rhythm);
});

function wait(marked: string, nowMs: number, kind: "auto" | "invoked" | "after_accept" = "auto"): number {
  return throttle.plan(contextOf(marked), kind, nowMs).waitMs;
}

test("a new line is asked at once, its tail after a wait", () => {
  expect(wait("x = █", 0)).toBe(0);
  expect(wait("x = 1█", 100)).toBe(MIN_WAIT_MS);
  expect(wait("x = 1\n█", 200)).toBe(0);
});

test("whoever asks, or has just accepted, waits for nothing", () => {
  wait("x = █", 0);
  expect(wait("x = 1█", 10, "invoked")).toBe(0);
  expect(wait("x = 1█", 20, "after_accept")).toBe(0);
});

test("an answer that fits between two keys is asked for at each", () => {
  rhythm.gapMs = 200;
  rhythm.latencyMs = 100;
  wait("x = █", 0);
  expect(wait("x = 1█", 100)).toBe(MIN_WAIT_MS);
});

test("one that does not fit is asked for when the next key is overdue", () => {
  rhythm.gapMs = 120;
  rhythm.latencyMs = 400;
  wait("x = █", 0);
  expect(wait("x = 1█", 100)).toBeCloseTo(144);
  rhythm.gapMs = 900;
  rhythm.latencyMs = 2_000;
  expect(wait("x = 12█", 200)).toBe(MAX_WAIT_MS);
});

test("after 250 ms of typing without an answer one goes out, and is kept", () => {
  rhythm.latencyMs = 1_000;
  wait("x = █", 0);
  wait("x = 1█", 100);
  wait("x = 12█", 200);
  const plan = throttle.plan(contextOf("x = 123█"), "auto", 100 + PROMOTE_AFTER_MS);
  expect(plan).toEqual({ waitMs: 0, isKept: true });
  expect(wait("x = 1234█", 400)).toBeGreaterThan(0);
});

test("pauses are no typing", () => {
  rhythm.noteKey(0);
  rhythm.noteKey(100);
  const { gapMs } = rhythm;
  expect(gapMs).toBeCloseTo(140);
  rhythm.noteKey(60_000);
  expect(rhythm.gapMs).toBe(gapMs);
});
