import { describe, expect, test } from "vitest";
import { placeOf } from "../../test/notation";
import { findRefusal, isSecretsFile, type Refusal, type TriggerRules } from "./trigger";

const RULES: TriggerRules = { isPaused: false, languages: {}, inComments: true };

test.each<[string, Refusal | null]>([
  ["return █", null],
  ["total = sum(█)", null],
  ["total = sum(█):", null],
  ["ret█urn x", "mid_word"],
  ["ret█", null],
  ["f(x)█ + y", "after_bracket"],
  ["f(x)█", null],
  ["f(x)█)", null],
  ["x = █ if ready else other", "text_behind"],
  ["x = █ + y", null],
])("%s", (marked, refusal) => {
  expect(findRefusal(placeOf(marked), RULES)).toBe(refusal);
});

test("whoever asks explicitly is asked no questions about the line", () => {
  expect(findRefusal(placeOf("ret█urn x", { kind: "invoked" }), RULES)).toBeNull();
});

test.each([
  ["file:///w/.env", true],
  ["file:///w/.env.local", true],
  ["file:///w/deploy/prod.env", true],
  ["file:///w/terraform.tfvars", true],
  ["file:///home/a/.ssh/config", true],
  ["file:///w/deploy/server.pem", true],
  ["file:///w/secrets.yaml", true],
  ["file:///w/environment.py", false],
  ["file:///w/src/secret_santa.py", false],
])("%s holds secrets: %s", (uri, isSecret) => {
  expect(isSecretsFile(uri)).toBe(isSecret);
  expect(findRefusal(placeOf("x = █", { uri }), RULES)).toBe(isSecret ? "secrets_file" : null);
});

describe("documents", () => {
  test.each([
    ["git:/w/a.py?ref", "virtual_document"],
    ["output:fimserve", "virtual_document"],
    ["untitled:Untitled-1", null],
    ["vscode-remote://ssh/w/a.py", null],
  ] as const)("%s: %s", (uri, refusal) => {
    expect(findRefusal(placeOf("x = █", { uri }), RULES)).toBe(refusal);
  });

  test("more than 8,000 lines are too many", () => {
    expect(findRefusal(placeOf(`${"\n".repeat(7_999)}█`), RULES)).toBeNull();
    expect(findRefusal(placeOf(`${"\n".repeat(8_000)}█`), RULES)).toBe("too_many_lines");
  });

  test("a minified file is one with a line that nobody wrote", () => {
    const minified = "a=1;".repeat(6_000);
    expect(findRefusal(placeOf(`${minified}█`), RULES)).toBe("minified");
    expect(findRefusal(placeOf(`${minified}\n\nx = █`), RULES)).toBeNull();
  });
});

test("languages are on unless they are named, or the star is off", () => {
  const place = placeOf("x = █", { language: "python" });
  const rules = (languages: Record<string, boolean>): TriggerRules => ({ ...RULES, languages });
  expect(findRefusal(place, rules({ python: false }))).toBe("language_off");
  expect(findRefusal(place, rules({ "*": false }))).toBe("language_off");
  expect(findRefusal(place, rules({ "*": false, python: true }))).toBeNull();
});

test.each([
  ["python", "# the mean of █", "comment"],
  ["python", "x = 1  # the █", "comment"],
  ["python", 'url = "http://█', null],
  ["typescript", "// the mean of █", "comment"],
  ["typescript", "/**\n * the mean of █", "comment"],
  ["typescript", "/* one */\nx = 2\n  * 3█", null],
  ["c", "*p = █", null],
  ["css", "* { color: █", null],
  ["powershell", "# the mean of █", "comment"],
  ["html", "<!-- the mean of █", "comment"],
  ["plaintext", "* the mean of █", null],
  ["c", "#include █", null],
] as const)("%s: %s", (language, marked, refusal) => {
  const rules = { ...RULES, inComments: false };
  expect(findRefusal(placeOf(marked, { language }), rules)).toBe(refusal);
  expect(findRefusal(placeOf(marked, { language }), RULES)).toBeNull();
});

test("several cursors, a selection and a pause are refused by name", () => {
  const place = placeOf("x = █");
  expect(findRefusal({ ...place, numCursors: 2 }, RULES)).toBe("several_cursors");
  expect(findRefusal({ ...place, hasSelection: true }, RULES)).toBe("selection");
  expect(findRefusal(place, { ...RULES, isPaused: true })).toBe("paused");
});
