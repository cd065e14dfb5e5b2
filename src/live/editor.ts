import { createEditor } from 'prism-code-editor';
import { defaultCommands, editHistory } from 'prism-code-editor/commands';
import 'prism-code-editor/layout.css';
import 'prism-code-editor/languages/clike';
import 'prism-code-editor/prism/languages/typescript';
import { addAssembly } from './asm-grammar.ts';

addAssembly();

export interface Editor {
  value: string;
  focus(): void;
  /** Marks a line, from 1, as passed or failed. */
  mark(line: number, passed: boolean): void;
  unmark(): void;
  /** Takes the editor away and shows the original text again. */
  close(): void;
}

/** Puts an editor in place of the text of a block. */
export function openEditor(place: HTMLElement, code: string, label: string, onEdit: () => void): Editor {
  const original = [...place.childNodes];
  const holder = document.createElement('div');
  holder.className = 'editor';
  place.replaceChildren(holder);
  let opened = false;
  const editor = createEditor(holder, {
    language: 'typescript', value: code, lineNumbers: false, tabSize: 2, insertSpaces: true,
    onUpdate: () => opened && onEdit(),
  }, defaultCommands(), editHistory());
  editor.textarea.setAttribute('aria-label', label);
  opened = true;
  return {
    get value() {
      return editor.value;
    },
    set value(text: string) {
      editor.setOptions({ value: text });
    },
    focus: () => editor.textarea.focus({ preventScroll: true }),
    mark(line, passed) {
      editor.lines[line]?.classList.add(passed ? 'pass' : 'fail');
    },
    unmark() {
      for (const line of editor.wrapper.querySelectorAll('.pass, .fail')) line.classList.remove('pass', 'fail');
    },
    close() {
      editor.remove();
      place.replaceChildren(...original);
    },
  };
}
