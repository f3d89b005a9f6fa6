/*!
Made of CodeMirror, Lezer, style-mod, w3c-keyname and crelt. MIT License.
Copyright (C) 2016-2021 by Marijn Haverbeke <marijn@haverbeke.berlin> and others

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE,
ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
*/
// A view of a YAML text with line numbers, marks at mistakes and a search. It knows nothing of Interlock's pages; those
// are `static/editor.js`'s business, which needs no building.
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { HighlightStyle, bracketMatching, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, nextDiagnostic, previousDiagnostic, setDiagnostics } from "@codemirror/lint";
import { search, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import { EditorView, highlightActiveLineGutter, highlightSpecialChars, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

// The page's own custom properties, which reach into the shadow tree, so that light and dark follow its switch.
const look = EditorView.theme({
  "&": {
    color: "var(--ink)", backgroundColor: "var(--panel)", height: "60vh", minHeight: "420px", fontSize: "0.88rem",
    border: "1px solid color-mix(in srgb, var(--line) 40%, var(--faint))", borderRadius: "8px", overflow: "hidden",
  },
  "&.cm-focused": { outline: "3px solid var(--focus)", outlineOffset: "2px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5" },
  ".cm-content": { caretColor: "var(--ink)", padding: "8px 0" },
  ".cm-line": { padding: "0 8px" },
  ".cm-content ::selection, .cm-content::selection": { backgroundColor: "color-mix(in srgb, var(--accent) 30%, transparent)" },
  ".cm-gutters": { color: "var(--faint)", backgroundColor: "var(--panel)", borderRight: "1px solid var(--line)" },
  ".cm-activeLineGutter": { color: "var(--ink)", backgroundColor: "var(--sunk)" },
  ".cm-gutter-lint": { width: "1.3em" },
  ".cm-gutter-lint .cm-gutterElement": { padding: "0 0.15em" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--accent-soft)" },
  "&.cm-focused .cm-nonmatchingBracket": { backgroundColor: "var(--bad-bg)" },
  ".cm-searchMatch": { backgroundColor: "var(--warn-bg)", outline: "1px solid var(--warn)" },
  ".cm-searchMatch-selected": { backgroundColor: "var(--accent-soft)", outline: "2px solid var(--accent)" },
  ".cm-specialChar": { color: "var(--bad)" },
  // Colour, shape and weight: an error's line is waved and red, a warning's dotted.
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--bad)", textUnderlineOffset: "3px", textDecorationSkipInk: "none" },
  ".cm-lintRange-warning": { backgroundImage: "none", textDecoration: "underline dotted 2px var(--warn)", textUnderlineOffset: "3px" },
  ".cm-lintRange-active": { backgroundColor: "var(--warn-bg)" },
  ".cm-lintPoint-error:after": { borderBottomColor: "var(--bad)" },
  ".cm-lintPoint-warning:after": { borderBottomColor: "var(--warn)" },
  ".cm-tooltip": { color: "var(--ink)", backgroundColor: "var(--panel)", border: "1px solid var(--line)", borderRadius: "8px", boxShadow: "0 6px 18px rgb(0 0 0 / 20%)", maxWidth: "min(520px, 90vw)", overflow: "hidden" },
  ".cm-diagnostic": { padding: "8px 12px", whiteSpace: "pre-line", font: "14px/1.5 var(--sans)" },
  ".cm-diagnostic-error": { borderLeft: "4px solid var(--bad)" },
  ".cm-diagnostic-warning": { borderLeft: "4px solid var(--warn)" },
  ".cm-panels": { color: "var(--ink)", backgroundColor: "var(--sunk)" },
  ".cm-panels-bottom": { borderTop: "1px solid var(--line)" },
  ".cm-panel.cm-search": { padding: "8px 28px 8px 8px", font: "14px/1.5 var(--sans)" },
  ".cm-panel.cm-search label": { fontSize: "inherit", display: "inline-block" },
  ".cm-panel .cm-textfield": { font: "inherit", color: "var(--ink)", backgroundColor: "var(--panel)", border: "1px solid var(--faint)", borderRadius: "6px", padding: "2px 8px" },
  ".cm-panel .cm-button": { font: "inherit", color: "var(--ink)", backgroundImage: "none", backgroundColor: "var(--panel)", border: "1px solid var(--line)", borderRadius: "6px", padding: "2px 10px" },
  ".cm-panel.cm-search [name=close]": { color: "var(--ink)", font: "inherit", fontSize: "18px", minWidth: "24px", minHeight: "24px" },
  ".cm-panel :focus-visible": { outline: "3px solid var(--focus)", outlineOffset: "1px" },
});

const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--accent)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--good)" },
  { tag: [tags.lineComment, tags.comment], color: "var(--faint)", fontStyle: "italic" },
  { tag: [tags.keyword, tags.meta, tags.typeName, tags.labelName], color: "var(--odd)" },
]);

/** Lines and columns count characters from one; the view counts UTF-16 units from nought. */
const offset = (text, line, column) => {
  const found = text.line(Math.min(Math.max(line, 1), text.lines));
  const before = [...found.text].slice(0, column - 1).join("").length;
  return found.from + before;
};

const diagnostic = (text, mark) => {
  const from = offset(text, mark.line, mark.column);
  const to = Math.max(from, offset(text, mark.endLine, mark.endColumn));
  return { from, to, severity: mark.severity, message: mark.message };
};

/** Typing over selected lines. Left to it, Chromium gives the text inline styles, which the policy refuses out loud. */
const overwrite = (event, view) => {
  if (event.inputType !== "insertText" || !event.data || view.state.selection.main.empty) return false;
  event.preventDefault();
  view.dispatch(view.state.replaceSelection(event.data), { userEvent: "input.type", scrollIntoView: true });
  return true;
};

/**
 * Puts a view into an element. It goes into a shadow tree, where styles are adopted as sheets: in the document itself
 * they would be inline, which the content security policy forbids.
 */
const mount = (host, { text, label, help, changed }) => {
  const root = host.attachShadow({ mode: "open" });
  const parent = document.createElement("div");
  const described = document.createElement("span");
  described.id = "help";
  described.hidden = true;
  described.textContent = help;
  root.append(parent, described);
  const view = new EditorView({
    root,
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(), highlightActiveLineGutter(), highlightSpecialChars(), lintGutter({ hoverTime: 100 }), history(), search(),
        indentOnInput(), bracketMatching(), yaml(), syntaxHighlighting(colours), look,
        EditorState.tabSize.of(2),
        EditorView.contentAttributes.of({ "aria-label": label, "aria-describedby": "help", tabindex: "0", spellcheck: "false", autocapitalize: "none" }),
        keymap.of([
          { key: "F8", run: nextDiagnostic, shift: previousDiagnostic },
          ...searchKeymap, ...historyKeymap, ...defaultKeymap, indentWithTab,
        ]),
        EditorView.domEventHandlers({ beforeinput: overwrite }),
        EditorView.updateListener.of((update) => { if (update.docChanged) changed(update.state.doc.toString()); }),
      ],
    }),
  });
  return {
    /** Marks mistakes: `{line, column, endLine, endColumn, severity, message}`. */
    mark: (marks) => view.dispatch(setDiagnostics(view.state, marks.map((mark) => diagnostic(view.state.doc, mark)))),
    /** Selects a mistake and brings it into sight. */
    go: (mark) => {
      const { from, to } = diagnostic(view.state.doc, mark);
      view.dispatch({ selection: { anchor: from, head: to }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
      view.focus();
    },
  };
};

globalThis.YamlView = { mount };
