// Light or dark: the system's choice until a person makes another, which this browser then keeps.

import type { Theme } from "./editor";

const STORED = "fimserve-theme";

export class ThemeSwitch {
  private readonly system = matchMedia("(prefers-color-scheme: dark)");

  constructor(
    private readonly button: HTMLButtonElement,
    private readonly onTheme: (theme: Theme) => void,
  ) {
    button.addEventListener("click", () => this.choose(this.theme === "dark" ? "light" : "dark"));
    this.system.addEventListener("change", () => this.show());
    this.show();
  }

  get theme(): Theme {
    const chosen = localStorage.getItem(STORED);
    if (chosen === "light" || chosen === "dark") return chosen;
    return this.system.matches ? "dark" : "light";
  }

  private choose(theme: Theme): void {
    localStorage.setItem(STORED, theme);
    this.show();
  }

  private show(): void {
    const theme = this.theme;
    document.documentElement.dataset["theme"] = theme;
    this.button.setAttribute("aria-pressed", String(theme === "dark"));
    this.onTheme(theme);
  }
}
