// The API key, asked for only when the server wants one, kept for this tab and no longer.

const STORED = "fimserve-key";

export class KeyForm {
  private readonly input: HTMLInputElement;

  constructor(
    private readonly form: HTMLFormElement,
    onKey: () => void,
  ) {
    const input = form.querySelector("input");
    if (input === null) throw new Error("the form of the API key has no field");
    this.input = input;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      sessionStorage.setItem(STORED, this.input.value.trim());
      form.hidden = true;
      onKey();
    });
  }

  get key(): string | null {
    return sessionStorage.getItem(STORED) || null;
  }

  /** Whether the server asked for a key and is still waiting for it. */
  get isAsking(): boolean {
    return !this.form.hidden;
  }

  ask(): void {
    sessionStorage.removeItem(STORED);
    this.input.value = "";
    this.form.hidden = false;
  }
}
