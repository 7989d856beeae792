// What the status bar says, and what a screen reader does.

import { beforeEach, expect, test } from "vitest";
import { ServerError } from "./serverError";
import { Status } from "./status";

let status: Status;

beforeEach(() => {
  status = new Status("http://h", () => undefined);
});

test("how fast, who, and where", () => {
  status.noteAsking();
  expect(status.view).toMatchObject({ kind: "asking", spoken: "fimserve: completions asking" });
  status.noteEnd({ latencyMs: 41.7, model: "embedded" });
  expect(status.view).toMatchObject({ kind: "ready", text: "$(sparkle) fimserve 42 ms" });
  expect(status.view.details).toEqual(["Server: http://h", "Model: embedded", "Last answer: 42 ms"]);
});

test("an address that is none is said before anybody types", () => {
  status.reset("myserver", new ServerError("bad_url", "fimserve.url is no address: myserver"));
  expect(status.view).toMatchObject({ kind: "error", problem: "bad_url" });
  expect(status.view.spoken).toContain("myserver. Set fimserve.url to an address");
  status.reset("http://myserver");
  expect(status.view.kind).toBe("ready");
});

test("a server without time is said, and is no error", () => {
  status.noteAsking();
  status.noteEnd("busy");
  expect(status.view.kind).toBe("ready");
  expect(status.view.details.join()).toContain("too busy");
  status.noteAsking();
  status.noteEnd({ latencyMs: 10, model: null });
  expect(status.view.details.join()).not.toContain("too busy");
});

test("where the editor hides grey text, its setting is named", () => {
  status.noteRefusal("editor_off");
  expect(status.view.kind).toBe("off");
  expect(status.view.details.join()).toContain("editor.inlineSuggest.enabled");
});

test("a refusal of the place alone leaves the state as it is", () => {
  status.noteRefusal("mid_word");
  expect(status.view.kind).toBe("ready");
  expect(status.view.details).toContain("Here: not inside a word.");
});
