// What the build takes out of Monaco and what it mends. It fails when a path or a text below is no
// longer in Monaco, so that an upgrade is looked at.

const NEVER_THERE = "{ static get() { return null; } }";

// Parts that the page never reaches but that its modules import: diff editors, the command palette,
// lists, renaming, inline edits. Each is replaced by the least that its importers need to load.
export const LEFT_OUT = {
  "editor/browser/widget/diffEditor/diffEditorWidget.js": "export class DiffEditorWidget {}",
  "editor/browser/widget/multiDiffEditor/multiDiffEditorWidget.js":
    "export class MultiDiffEditorWidget {}",
  "editor/contrib/dropOrPasteInto/browser/copyPasteController.js":
    `export class CopyPasteController ${NEVER_THERE}`,
  "editor/contrib/inlineCompletions/browser/hintsWidget/hoverParticipant.js":
    "export class InlineCompletionsHoverParticipant {}",
  // Made only once an item has `isInlineEdit`; ours never have.
  "editor/contrib/inlineCompletions/browser/view/inlineEdits/inlineEditsViewProducer.js":
    "export class InlineEditsViewAndDiffProducer { dispose() {} }",
  "editor/contrib/inlineCompletions/browser/view/inlineEdits/inlineEditsNewUsers.js":
    "export class InlineEditsOnboardingExperience { dispose() {} }",
  "editor/contrib/rename/browser/rename.js":
    "export const hasProvider = () => false; export async function rawRename() {}",
  "editor/contrib/stickyScroll/browser/stickyScrollController.js":
    `export class StickyScrollController ${NEVER_THERE}`,
  "editor/contrib/suggest/browser/suggestController.js":
    `export class SuggestController ${NEVER_THERE}`,
  "platform/list/browser/listService.js": `
    import { createDecorator } from "../../instantiation/common/instantiation.js";
    export const IListService = createDecorator("listService");
    export class ListService {}`,
  "platform/quickinput/browser/quickInputService.js": "export class QuickInputService {}",
};

// A provider that says its suggestion changed is not asked again while text and cursor stand still,
// so that a suggestion could not grow as it streams in. With a hint of what changed, it now is.
export const MENDED = {
  "editor/contrib/inlineCompletions/browser/model/inlineCompletionsSource.js": [
    "return this.position.equals(other.position)",
    "return !other.context.changeHint && this.position.equals(other.position)",
  ],
};
