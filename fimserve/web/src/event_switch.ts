// The switch for events: seen where the server stores them, on until a person says no, which this
// browser then keeps.

const STORED = "fimserve-events";

export class EventSwitch {
  private readonly box: HTMLInputElement;
  private readonly told: HTMLOutputElement;
  private numSent = 0;

  constructor(
    private readonly place: HTMLElement,
    onChange: (isOn: boolean) => void,
  ) {
    const box = place.querySelector("input");
    const told = place.querySelector("output");
    if (box === null || told === null) throw new Error("the switch of events lacks a part");
    this.box = box;
    this.told = told;
    box.checked = localStorage.getItem(STORED) !== "off";
    box.addEventListener("change", () => {
      localStorage.setItem(STORED, box.checked ? "on" : "off");
      this.say();
      onChange(box.checked);
    });
    this.say();
  }

  /** Whether events are stored here and a person has not said no. */
  get isOn(): boolean {
    return !this.place.hidden && this.box.checked;
  }

  offer(): void {
    this.place.hidden = false;
  }

  withdraw(): void {
    this.box.disabled = true;
    this.told.textContent = "This server takes no events from this page.";
  }

  count(numSent: number): void {
    this.numSent += numSent;
    this.say();
  }

  private say(): void {
    this.told.textContent = this.box.checked ? `${this.numSent} sent.` : "Nothing is sent.";
  }
}
