import { expect, test } from "vitest";
import { compareTexts, moveRange } from "./trackedRange";

// The cases of `tests/lsp/test_tracked_range.py`; `├ ┤` is the range in "one [two] three".
test.each([
  ["before it moves it", 0, 0, "x", [5, 8]],
  ["removed before it", 0, 2, "", [2, 5]],
  ["at its start moves it", 4, 4, "ab", [6, 9]],
  ["inside grows it", 5, 5, "ab", [4, 9]],
  ["inside shrinks it", 5, 6, "", [4, 6]],
  ["at its end is outside", 7, 7, "x", [4, 7]],
  ["behind it", 9, 9, "x", [4, 7]],
  ["over its right border", 6, 10, "xyz", [4, 6]],
  ["over its left border", 2, 5, "xyz", [5, 7]],
  ["over all of it", 2, 10, "xyz", [5, 5]],
] as const)("an edit %s", (_, start, end, inserted, [expectedStart, expectedEnd]) => {
  const edit = { start, end, inserted, numInserted: inserted.length };
  expect(moveRange({ start: 4, end: 7 }, edit)).toEqual({ start: expectedStart, end: expectedEnd });
});

test.each([
  ["abcdefghij", "abcdefgxyz", 0.3, 7],
  ["abcdefghi", "abcdef", 3 / 9, 6],
  ["abcd", "abcdefgh", 0.5, 4],
  ["abc", "", 1, 0],
  ["x = 1\n", "x = 1\n", 0, 6],
  ["a😀b", "ab", 0.5, 2],
])("%j then %j", (initial, current, difference, retainedChars) => {
  expect(compareTexts(initial, current)).toEqual({ difference, retainedChars });
});
