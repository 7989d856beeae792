// Files to begin with, a few per language, of our own writing. `█` is where the cursor stands.

import cppJoin from "./samples/cpp/join.txt";
import cppVector from "./samples/cpp/vector2.txt";
import csharpGreeter from "./samples/csharp/Greeter.txt";
import csharpTemperature from "./samples/csharp/Temperature.txt";
import goQueue from "./samples/go/queue.txt";
import goServer from "./samples/go/server.txt";
import javaAccount from "./samples/java/Account.txt";
import javaMatrix from "./samples/java/Matrix.txt";
import javascriptDebounce from "./samples/javascript/debounce.txt";
import javascriptTodo from "./samples/javascript/todo.txt";
import pythonShelf from "./samples/python/shelf.txt";
import pythonStatistics from "./samples/python/statistics.txt";
import pythonWordCount from "./samples/python/word_count.txt";
import rustLines from "./samples/rust/lines.txt";
import rustStack from "./samples/rust/stack.txt";
import typescriptInventory from "./samples/typescript/inventory.txt";
import typescriptRetry from "./samples/typescript/retry.txt";

export interface Sample {
  path: string;
  text: string;
}

export interface Language {
  /** Name that editors and the server use. */
  id: string;
  label: string;
  samples: Sample[];
}

export const LANGUAGES: Language[] = [
  {
    id: "python",
    label: "Python",
    samples: [
      { path: "statistics.py", text: pythonStatistics },
      { path: "word_count.py", text: pythonWordCount },
      { path: "shelf.py", text: pythonShelf },
    ],
  },
  {
    id: "java",
    label: "Java",
    samples: [
      { path: "Account.java", text: javaAccount },
      { path: "Matrix.java", text: javaMatrix },
    ],
  },
  {
    id: "javascript",
    label: "JavaScript",
    samples: [
      { path: "debounce.js", text: javascriptDebounce },
      { path: "todo.js", text: javascriptTodo },
    ],
  },
  {
    id: "typescript",
    label: "TypeScript",
    samples: [
      { path: "inventory.ts", text: typescriptInventory },
      { path: "retry.ts", text: typescriptRetry },
    ],
  },
  {
    id: "go",
    label: "Go",
    samples: [
      { path: "queue.go", text: goQueue },
      { path: "server.go", text: goServer },
    ],
  },
  {
    id: "rust",
    label: "Rust",
    samples: [
      { path: "stack.rs", text: rustStack },
      { path: "lines.rs", text: rustLines },
    ],
  },
  {
    id: "cpp",
    label: "C++",
    samples: [
      { path: "vector2.cpp", text: cppVector },
      { path: "join.cpp", text: cppJoin },
    ],
  },
  {
    id: "csharp",
    label: "C#",
    samples: [
      { path: "TemperatureLog.cs", text: csharpTemperature },
      { path: "Greeter.cs", text: csharpGreeter },
    ],
  },
];
